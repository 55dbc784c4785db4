#pragma once

#include <algorithm>
#include <cstdint>

#include "ingot/dtype.h"
#include "kernels/reduce.h"

namespace ingot::kernels {

/// acc[o] = op(acc[o], x[o * out_stride + i * stride], i < n) for o < outs. acc is double for floating x, else int64_t.
/// The order of operations for one o depends on n and the strides only, not on outs.
using ReduceKernel = void (*)(const void* x, int64_t outs, int64_t out_stride, int64_t n, int64_t stride, void* acc);

ReduceKernel plain_kernel(Reduce op, DType dtype);
/// By SIMD for f32 and bf16: sum (also for mean), max and min along contiguous rows or columns; else null.
ReduceKernel simd_kernel(Reduce op, DType dtype);

/// A long reduction is cut into segments that run in parallel. The count depends on the shape alone, for the same bits
/// at any thread count; `work` is all elements, `length` those of one output.
inline int64_t reduction_segments(int64_t work, int64_t length) {
  constexpr int64_t kSegment = 32768, kMost = 64;
  return std::max<int64_t>(1, std::min({work / kSegment, kMost, length}));
}

}  // namespace ingot::kernels
