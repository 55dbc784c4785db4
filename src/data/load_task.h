#pragma once

#include <atomic>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "ingot/data_loader.h"

namespace ingot {

/// Runs `action` and returns what it threw, as text.
template <class Action>
std::optional<std::string> thrown_by(const Action& action) {
  try {
    action();
    return std::nullopt;
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

/// One batch on its way.
struct LoadTask {
  int64_t number = 0;
  std::vector<int64_t> indices;
  std::vector<uint64_t> seeds;
  Batch batch;                                     // with a spec: allocated ahead, its rows filled by the chunks
  std::vector<Sample> samples;                     // else: collated when all are there
  std::vector<std::optional<std::string>> errors;  // by sample, written by the thread that has its chunk
  std::string batch_error;                         // of the sampler or the collate function
  int64_t skipped = 0;                             // samples left out
  std::string first_skipped;                       // what the first of them said
  std::atomic<int64_t> consumed = 0;  // samples by which the batch moves the position, failed ones included

  // Guarded by the pool's mutex. finish(), which runs outside it and may take samples out, touches none of them.
  std::vector<uint8_t> done;                  // by sample
  size_t planned = 0, claimed = 0, left = 0;  // samples: in all, given to threads, not done
  bool finished = false;

  size_t size() const { return indices.size(); }
};

/// Makes the batches of one epoch. All its functions but pull() are const and may run on several threads.
class BatchMaker {
 public:
  BatchMaker(const Dataset* dataset, IterableDataset* iterable, const DataLoaderOptions& options,
             const Sampler* sampler, uint64_t seed, int64_t epoch, int64_t start);

  bool iterable() const { return iterable_ != nullptr; }
  int64_t batches() const { return batches_; }  // map-style: in this epoch from its start
  int64_t grain() const { return spec_ ? spec_->grain : 1; }
  bool by_all_threads() const { return spec_.has_value(); }

  /// Which samples are in batch `number`; allocates. An error of the sampler's is kept in the task.
  void plan(LoadTask& task) const;
  /// Reads the samples of the next batch from an iterable data set; false at its end. For one thread at a time.
  bool pull(LoadTask& task);
  /// Makes samples [begin, end) of the task. Never throws: errors are kept by sample.
  void run(LoadTask& task, size_t begin, size_t end) const;
  /// Stacks what run() made. Never throws.
  void finish(LoadTask& task) const;

  /// The position (LoaderState) after a batch.
  int64_t position_after(int64_t position, const LoadTask& task) const;
  int64_t start_position() const;

 private:
  void skip_to(int64_t position);
  void plan_by_sampler(LoadTask& task) const;
  void plan_by_batch_sampler(LoadTask& task) const;
  void allocate(LoadTask& task) const;
  void run_rows(LoadTask& task, size_t begin, size_t end) const;
  void drop_failed(LoadTask& task) const;
  Batch collate_task(const LoadTask& task) const;

  const Dataset* dataset_;
  IterableDataset* iterable_;
  const DataLoaderOptions& options_;
  const Sampler* sampler_;
  RandomKey order_key_, sample_key_;
  std::optional<SampleSpec> spec_;  // set where get_batch serves
  int64_t start_, batch_size_, batches_ = 0;
  int64_t pulled_ = 0;
  bool ended_ = false;
};

}  // namespace ingot
