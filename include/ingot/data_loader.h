#pragma once

#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "ingot/dataset.h"
#include "ingot/sampler.h"

namespace ingot {

/// The parameters of PyTorch's DataLoader, with its defaults. Differences: workers are threads; the order, the batches
/// and all random numbers depend on (seed, epoch, position) alone, however many workers there are.
struct DataLoaderOptions {
  std::optional<int64_t> batch_size = 1;  // nullopt: samples one by one, not stacked
  bool shuffle = false;
  std::optional<SamplerHandle> sampler;
  std::shared_ptr<const BatchSampler> batch_sampler;
  /// 0: batches are made by the caller's thread, in-memory data sets by all compute threads. Of more workers than
  /// CPUs only as many as there are CPUs start: the batches do not depend on their number.
  int num_workers = 0;
  std::function<Batch(std::span<const Sample> samples, std::span<const int64_t> indices)>
      collate_fn;           // none: collate()
  bool pin_memory = false;  // accepted; without an accelerator there is nothing to pin
  bool drop_last = false;
  double timeout = 0;  // seconds to wait for a batch; 0: no limit
  std::function<void(int worker)> worker_init_fn;
  /// Ranks that train together read one order batch by batch, each its part of every batch: of its n samples part p has
  /// those from floor(n p / parts) on; with a grain, whole grains of so many samples, but for the last one. A part may
  /// be empty; then input and target may be undefined. Positions and random numbers are those of the whole batch, and
  /// state() does not depend on the parts.
  int part = 0, parts = 1;
  int64_t part_grain = 1;
  uint64_t seed = 0;                   // PyTorch's generator
  std::optional<int> prefetch_factor;  // batches in work per worker; 2 when there are workers
  bool persistent_workers = false;     // worker_init_fn runs once, not every epoch; the threads stay in any case
  bool in_order = true;                // false: batches come as they are ready, and state() is refused within an epoch
  /// raise: a sample's error comes out of the batch that it belongs to. skip: the sample is left out of its batch; the
  /// first one and the number in each epoch are reported on stderr, skipped() counts them all.
  OnError on_error = OnError::raise;
  std::string multiprocessing_context = {};  // refused: has no meaning with threads
};

/// Where a loader stands: what the next batch depends on, in order. `position` counts the samples that were given in
/// this epoch, by all ranks together (with a batch_sampler: the batches).
struct LoaderState {
  uint64_t seed = 0;
  int64_t epoch = 0;
  int64_t position = 0;
  std::string sampler;
  uint64_t dataset = 0;  // its fingerprint
};

class DataLoader;
class LoaderImpl;
class LoaderRun;

/// One pass over the data. Leaving a loop early and starting another epoch is fine; only the latest epoch of a loader
/// can go on. The loader must outlive it.
class Epoch {
 public:
  ~Epoch();
  Epoch(Epoch&&) noexcept = default;
  Epoch& operator=(Epoch&&) = delete;

  /// The next batch, or nothing at the end. Throws Error where a sample of that batch failed, naming it; the next call
  /// goes on with the batch after. After a timeout it waits for the same batch again.
  std::optional<Batch> next();

  class Iterator {
   public:
    using value_type = Batch;
    using difference_type = std::ptrdiff_t;
    const Batch& operator*() const { return *epoch_->current_; }
    const Batch* operator->() const { return &*epoch_->current_; }
    Iterator& operator++() {
      epoch_->advance();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return !epoch_->current_; }

   private:
    friend class Epoch;
    friend class DataLoader;
    explicit Iterator(Epoch* epoch, std::shared_ptr<Epoch> owner = nullptr) : epoch_(epoch), owner_(std::move(owner)) {}
    Epoch* epoch_;
    std::shared_ptr<Epoch> owner_;
  };
  Iterator begin() {
    advance();
    return Iterator(this);
  }
  std::default_sentinel_t end() const { return {}; }

 private:
  friend class DataLoader;
  friend class LoaderImpl;
  Epoch(LoaderImpl& loader, std::shared_ptr<LoaderRun> run) : loader_(&loader), run_(std::move(run)) {}
  void advance() {
    current_.reset();  // first: its memory serves the next batch
    current_ = next();
  }

  LoaderImpl* loader_;
  std::shared_ptr<LoaderRun> run_;
  std::optional<Batch> current_;
};

/// Loads a data set in batches, in the background with num_workers > 0.
///   DataLoader loader(FashionMnist(), {.batch_size = 128, .shuffle = true, .num_workers = 2, .drop_last = true});
///   for (int64_t e = 0; e < epochs; ++e)
///     for (const Batch& batch : loader.epoch(e)) step(batch.input, batch.target);
class DataLoader {
 public:
  explicit DataLoader(DatasetHandle dataset, DataLoaderOptions options = {});
  explicit DataLoader(std::shared_ptr<IterableDataset> dataset, DataLoaderOptions options = {});
  ~DataLoader();
  DataLoader(DataLoader&&) noexcept;
  DataLoader& operator=(DataLoader&&) noexcept;

  /// Batches in a whole epoch. Throws Error for an iterable data set, whose length nobody knows.
  int64_t size() const;
  /// Starts epoch `number`. After load_state() that epoch starts where the state was taken.
  Epoch epoch(int64_t number);
  /// Iterating over the loader itself runs the epoch after the last one, from 0 or from that of set_epoch() on.
  Epoch::Iterator begin();
  std::default_sentinel_t end() const { return {}; }
  void set_epoch(int64_t number);

  /// The state after the batch that was given last; during a loop's body that is the body's batch.
  LoaderState state() const;
  /// Costs nothing with samplers that are functions of the place (all here but WeightedRandomSampler without
  /// replacement, which sorts its weights again); an iterable data set is read up to the position. batch_size,
  /// num_workers and the number of ranks may differ. Throws Error where the sampler or the data set does, or the
  /// position does not divide.
  void load_state(const LoaderState& state);
  /// Samples left out by OnError::skip so far.
  int64_t skipped() const;

 private:
  std::unique_ptr<LoaderImpl> impl_;
};

}  // namespace ingot
