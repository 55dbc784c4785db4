#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ingot/data_parallel.h"
#include "ingot/tensor.h"

namespace ingot {

/// Room for numbers in front of the gradients, and the gradients of some parameters of one dtype, one after another.
struct Bucket {
  Tensor data;                 // [header + elements]
  int64_t header = 0;          // elements
  std::vector<size_t> params;  // by their numbers
  Tensors views;               // of `data`, as the parameters lie in memory
};

/// Parameters in the order given, so many bytes to a bucket; a change of dtype begins a new one. The first has `header`
/// elements more.
std::vector<Bucket> make_buckets(const Tensors& params, const std::vector<size_t>& order, int64_t header,
                                 const DataParallelOptions& options);

/// Sums the bucket over the ranks, as bf16 if `compress`.
void sum_over_ranks(Bucket& bucket, Communicator& ranks, bool compress);
/// All gradients of the bucket times a number.
void scale(Bucket& bucket, double factor);

}  // namespace ingot
