#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "ingot/tensor.h"
#include "ingot/transforms.h"

namespace ingot {

/// What else a sample may carry: numbers, texts, lists and maps of them. collate() treats it as PyTorch's
/// default_collate does.
struct Extra : std::variant<std::monostate, Tensor, int64_t, double, std::string, std::vector<Extra>,
                            std::map<std::string, Extra>> {
  using variant::variant;
  bool empty() const { return index() == 0; }
};

/// One example: what goes into the network, what should come out, and anything besides (a path, an id).
struct Sample {
  Tensor input;
  Tensor target;
  Extra extra;
};

/// Examples along a new first dimension. `indices` are theirs in the data set; `position` is the place of the first in
/// the epoch's order, over all ranks.
struct Batch {
  Tensor input;
  Tensor target;
  Extra extra;
  std::vector<int64_t> indices;
  int64_t position = 0;

  int64_t size() const { return static_cast<int64_t>(indices.size()); }
};

/// What every sample of a data set looks like, for those that can write samples straight into a batch.
struct SampleSpec {
  Shape input;
  DType input_dtype = DType::f32;
  Shape target;
  DType target_dtype = DType::i64;
  int64_t grain = 64;  // samples that are worth a task of their own: 1 where each is decoded
};

/// What becomes of a sample that cannot be read.
enum class OnError : uint8_t {
  raise,  // an Error that names it
  skip    // it is left out, counted and reported
};

class TensorDataset;

/// A place in an in-memory data set.
struct MemoryRow {
  const TensorDataset* set = nullptr;
  int64_t row = 0;
};

/// A map-style data set: a size and a sample for each index. Give these two and everything works; the rest is for
/// speed. get() is called from several threads at once. Random numbers come from Generator::current(), which the loader
/// sets for every sample from (seed, epoch, position).
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  virtual Sample get(int64_t index) const = 0;

  /// Set where all samples look alike and get_batch() is there.
  virtual std::optional<SampleSpec> spec() const { return std::nullopt; }
  /// Writes samples `indices` to rows first, first + 1, ... of `batch`, whose tensors have room for them. Sample k is
  /// what get(indices[k]) gives within SeedScope(seeds[k]).
  virtual void get_batch(std::span<const int64_t> indices, std::span<const uint64_t> seeds, Batch& batch,
                         int64_t first) const;
  /// Where the sample lies, if it does so unchanged in memory. Views pass it on.
  virtual std::optional<MemoryRow> memory_row(int64_t index) const;
  /// Tells data sets apart when a loader's state is restored.
  virtual uint64_t fingerprint() const;
};

/// A shared data set; made from any data set by value, or from a shared_ptr, which must not be null.
class DatasetHandle {
 public:
  template <std::derived_from<Dataset> D>
  DatasetHandle(D dataset) : dataset_(std::make_shared<const D>(std::move(dataset))) {}
  template <std::derived_from<Dataset> D>
  DatasetHandle(std::shared_ptr<D> dataset) : DatasetHandle(std::shared_ptr<const Dataset>(std::move(dataset))) {}
  DatasetHandle(std::shared_ptr<const Dataset> dataset);

  const Dataset& operator*() const { return *dataset_; }
  const Dataset* operator->() const { return dataset_.get(); }

 private:
  std::shared_ptr<const Dataset> dataset_;
};

/// A data set that can only be read from its start. `seed` differs from epoch to epoch. While a sample is read,
/// Generator::current() is that of its place, as for map-style data sets.
class IterableDataset {
 public:
  virtual ~IterableDataset() = default;
  virtual void start(uint64_t seed) = 0;
  /// The next sample, or nothing at the end. The loader never calls it from two threads at once. A call that throws
  /// uses up a place: the next one gives the sample after.
  virtual std::optional<Sample> next() = 0;
};

// ---- Data sets

/// Tensors whose first dimension counts the samples: inputs [N, ...], targets [N, ...]. Samples are views of them.
class TensorDataset : public Dataset {
 public:
  TensorDataset(Tensor inputs, Tensor targets);
  int64_t size() const override { return size_; }
  Sample get(int64_t index) const override;
  std::optional<SampleSpec> spec() const override;
  void get_batch(std::span<const int64_t> indices, std::span<const uint64_t> seeds, Batch& batch,
                 int64_t first) const override;
  std::optional<MemoryRow> memory_row(int64_t index) const override { return MemoryRow{this, index}; }
  uint64_t fingerprint() const override;

  const Tensor& inputs() const { return inputs_; }
  const Tensor& targets() const { return targets_; }

 private:
  void check_index(int64_t index) const;

  Tensor inputs_, targets_;
  int64_t size_;
};

// ---- Views

/// Some samples of another data set, in the order of `indices`.
class Subset : public Dataset {
 public:
  Subset(DatasetHandle dataset, std::vector<int64_t> indices);
  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  Sample get(int64_t index) const override;
  std::optional<SampleSpec> spec() const override { return dataset_->spec(); }
  void get_batch(std::span<const int64_t> indices, std::span<const uint64_t> seeds, Batch& batch,
                 int64_t first) const override;
  std::optional<MemoryRow> memory_row(int64_t index) const override;
  uint64_t fingerprint() const override;

  const std::vector<int64_t>& indices() const { return indices_; }

 private:
  int64_t base_index(int64_t index) const;

  DatasetHandle dataset_;
  std::vector<int64_t> indices_;
};

/// Several data sets one after the other.
class ConcatDataset : public Dataset {
 public:
  explicit ConcatDataset(std::vector<DatasetHandle> datasets);
  int64_t size() const override { return ends_.back(); }
  Sample get(int64_t index) const override;
  std::optional<SampleSpec> spec() const override;
  void get_batch(std::span<const int64_t> indices, std::span<const uint64_t> seeds, Batch& batch,
                 int64_t first) const override;
  std::optional<MemoryRow> memory_row(int64_t index) const override;
  uint64_t fingerprint() const override;

 private:
  struct Place {
    const Dataset* set;
    int64_t index;
  };
  Place find(int64_t index) const;

  std::vector<DatasetHandle> datasets_;
  std::vector<int64_t> ends_;
};

class ImagePass;  // a transform as one pass from u8 images into a batch

/// Another data set with a transform of its inputs. Over in-memory u8 images, crops and flips followed by ToDtype and
/// Normalize run as one pass from the images into the batch, with the same bits.
class TransformedDataset : public Dataset {
 public:
  TransformedDataset(DatasetHandle dataset, Transform transform);
  int64_t size() const override { return dataset_->size(); }
  Sample get(int64_t index) const override;
  std::optional<SampleSpec> spec() const override;
  void get_batch(std::span<const int64_t> indices, std::span<const uint64_t> seeds, Batch& batch,
                 int64_t first) const override;
  uint64_t fingerprint() const override;

 private:
  DatasetHandle dataset_;
  Transform transform_;
  std::shared_ptr<const ImagePass> pass_;  // none: sample by sample
};

/// Cuts a data set into parts of these lengths, which add up to its size, by a permutation that the seed fixes. Lengths
/// may also be fractions that add up to 1: as in PyTorch they are rounded down and the rest is dealt out in turn.
std::vector<Subset> random_split(const DatasetHandle& dataset, const std::vector<int64_t>& lengths, uint64_t seed = 0);
std::vector<Subset> random_split(const DatasetHandle& dataset, const std::vector<double>& fractions, uint64_t seed = 0);

/// Stacks samples to a batch: tensors along a new first dimension, numbers to i64 and f64 tensors; texts stay lists;
/// lists and maps go element by element. Throws Error naming the sample whose shape or type differs from the first
/// one's, or that has nothing where a list or map should hold a value. `indices` name the samples in errors.
Batch collate(std::span<const Sample> samples, std::span<const int64_t> indices);

}  // namespace ingot
