#pragma once

#include <cstdint>

namespace ingot::kernels {

/// One contiguous line of n elements of T.
template <class T>
struct LayerNormKernels {
  /// y from x; gamma, beta may be null. Returns mean and rstd.
  void (*forward)(const T* x, const T* gamma, const T* beta, int64_t n, double eps, T* y, T* mean, T* rstd);
  /// dx may be null; adds to dgamma and dbeta, which are null together.
  void (*backward)(const T* x, const T* g, const T* gamma, int64_t n, T mean, T rstd, T* dx, T* dgamma, T* dbeta);
};
const LayerNormKernels<float>& simd_layer_norm();
const LayerNormKernels<double>& plain_layer_norm();

}  // namespace ingot::kernels
