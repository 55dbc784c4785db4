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

}  // namespace ingot::kernels
