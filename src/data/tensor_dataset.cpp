#include "base/check.h"
#include "base/hash.h"
#include "data/copy.h"
#include "ingot/dataset.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

Shape sample_shape(const Tensor& x) { return Shape(std::span<const Dim>(x.shape().begin() + 1, x.shape().end())); }

}  // namespace

void Dataset::get_batch(std::span<const int64_t>, std::span<const uint64_t>, Batch&, int64_t) const {
  fail("the data set gives a spec() but no get_batch()");
}
std::optional<MemoryRow> Dataset::memory_row(int64_t) const { return std::nullopt; }
uint64_t Dataset::fingerprint() const {
  const int64_t n = size();
  return hash_bytes(&n, sizeof n);
}

DatasetHandle::DatasetHandle(std::shared_ptr<const Dataset> dataset) : dataset_(std::move(dataset)) {
  CHECK(dataset_ != nullptr, "the data set is null");
}

TensorDataset::TensorDataset(Tensor inputs, Tensor targets) : inputs_(std::move(inputs)), targets_(std::move(targets)) {
  CHECK(inputs_.defined() && targets_.defined() && inputs_.rank() >= 1 && targets_.rank() >= 1,
        "inputs and targets must be tensors whose first dimension counts the samples");
  size_ = inputs_.size(0);
  CHECK(targets_.size(0) == size_, "{} inputs but {} targets", size_, targets_.size(0).value());
}

void TensorDataset::check_index(int64_t index) const {
  CHECK(index >= 0 && index < size_, "index {} is outside the data set's [0, {})", index, size_);
}

Sample TensorDataset::get(int64_t index) const {
  check_index(index);
  return {row_of(inputs_, index), row_of(targets_, index), {}};
}

std::optional<SampleSpec> TensorDataset::spec() const {
  return SampleSpec{.input = sample_shape(inputs_),
                    .input_dtype = inputs_.dtype(),
                    .target = sample_shape(targets_),
                    .target_dtype = targets_.dtype()};
}

void TensorDataset::get_batch(std::span<const int64_t> indices, std::span<const uint64_t>, Batch& batch,
                              int64_t first) const {
  for (size_t k = 0; k < indices.size(); ++k) {
    check_index(indices[k]);
    const int64_t row = first + static_cast<int64_t>(k);
    copy_elements(row_array(inputs_, indices[k]), row_array(batch.input, row));
    copy_elements(row_array(targets_, indices[k]), row_array(batch.target, row));
  }
}

// Shapes, dtypes and the first and last sample: enough to tell data sets apart without reading gigabytes.
uint64_t TensorDataset::fingerprint() const {
  uint64_t hash = 0;
  for (const Tensor& x : {inputs_, targets_}) {
    const std::string spec = fmt::format("{}{}", name_of(x.dtype()), to_string(x.shape()));
    hash = hash_bytes(spec.data(), spec.size(), hash);
    for (const int64_t row : {int64_t{0}, size_ - 1}) {
      if (size_ == 0) break;
      const Tensor sample = clone(row_of(x, row));
      hash = hash_bytes(array_of(sample).data, static_cast<size_t>(sample.numel().value()) * size_of(x.dtype()), hash);
    }
  }
  return hash;
}

}  // namespace ingot
