#pragma once

#include <cstdint>

namespace ingot::kernels {

/// One contiguous line of n > 0 elements: out from in[0] (and in[1], the gradients' g).
using LineKernel = void (*)(const void* const* in, void* out, int64_t n);

struct SoftmaxKernels {
  LineKernel softmax, log_softmax, softmax_grad, log_softmax_grad;
};
const SoftmaxKernels& simd_softmax();   // f32
const SoftmaxKernels& plain_softmax();  // f64

/// One contiguous line of n > 0 scores x.
template <class T>
struct CrossEntropyKernels {
  /// max x and log sum e^(x - max)
  void (*log_sum)(const T* x, int64_t n, T* max, T* log_sum);
  /// sum_c weight[c] (log_sum - (x[c] - max)); no weight: ones
  double (*weighted)(const T* x, const T* weight, int64_t n, T max, T log_sum);
  /// dx[c] = e^(x[c] - max - log_sum) of_share - weight[c] of_weight
  void (*grad)(const T* x, const T* weight, int64_t n, T max, T log_sum, T of_share, T of_weight, T* dx);
};
const CrossEntropyKernels<float>& simd_cross_entropy();
const CrossEntropyKernels<double>& plain_cross_entropy();

}  // namespace ingot::kernels
