#pragma once

#include <cstddef>

#include "base/array.h"

/// matmul.h's product on our own micro-kernel (gemm.h), f32, any strides and batches: rows of `a` are read where they
/// lie, or turned into runs of k a block at a time; `b` is packed into strips, all of it beforehand where several
/// blocks of rows read a large one, else by each job its own, which then stay in its cache. Empty results are no work,
/// empty sums give the bias.
///
/// Bits: an element of y is a sum in the order of k, in blocks that depend on K alone. So it depends on its row of `a`
/// and its column of `b`, on nothing beside them: neither on threads, nor on the batch, nor on strides.
namespace ingot::kernels {

/// Whether all is f32.
bool matmul_gemm_supports(const Array& a, const Array& b, const Array& bias, const Array& y);
size_t matmul_gemm_scratch(const Array& a, const Array& b, const Array& bias, const Array& y);
void matmul_gemm(const Array& a, const Array& b, const Array& bias, const Array& y, void* scratch);

}  // namespace ingot::kernels
