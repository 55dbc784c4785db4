#pragma once

#include <cstddef>
#include <string>

#include "base/array.h"

namespace ingot::kernels {

/// y[..., m, n] = bias[n] + sum_k a[..., m, k] * b[..., k, n]
/// a, b and y of one dtype (f32, bf16, f64) and rank >= 2, any strides, transposed views included; batch dimensions are
/// right-aligned and broadcast where their size is 1 or their stride 0 (y's may not). bias [N] of y's dtype, or absent.
/// K = 0 gives the bias, an empty y is no work. y must not overlap an input.
///
/// f32 and bf16 run on oneDNN (matmul_onednn.h), f32 of shapes at which it is slow on our own products (matmul_gemm.h),
/// tiny products and f64 on own loops.
/// Bits: all but oneDNN's give the same for any thread count and batch; oneDNN's may differ between thread counts and
/// between numbers of rows, since it may split K; the same shapes and thread count give the same bits.
size_t matmul_scratch(const Array& a, const Array& b, const Array& bias, const Array& y);
void matmul(const Array& a, const Array& b, const Array& bias, const Array& y, void* scratch);

/// y = x weight^T + bias: x [..., K], weight [O, K], bias [O] or absent, y [..., O]; rank >= 2 for x and y.
size_t linear_scratch(const Array& x, const Array& weight, const Array& bias, const Array& y);
void linear(const Array& x, const Array& weight, const Array& bias, const Array& y, void* scratch);

/// The implementation that runs: oneDNN's name for it, "gemm" or "plain".
std::string matmul_implementation(const Array& a, const Array& b, const Array& bias, const Array& y);

/// The plain twin: sums in f64, any strides.
void matmul_reference(const Array& a, const Array& b, const Array& bias, const Array& y);

}  // namespace ingot::kernels
