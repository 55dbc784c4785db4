#pragma once

#include "kernels/conv.h"

/// The gradient of a convolution's input as convolutions of the gradient of its output. Internal to
/// conv_*_grad_input.cpp.
namespace ingot::kernels {

/// One dimension of a phase: pixels phase, phase + stride, ... of dx are met by the places first, first + step, ... of
/// the kernel. Pixel number i reads, by the place number j from the last, pixel i - pad + j * dilation of g.
struct PhaseLine {
  int64_t first = 0, step = 1, count = 0, dilation = 1, pad = 0;

  PhaseLine() = default;
  PhaseLine(int64_t phase, int64_t kernel, int64_t stride, int64_t dilation_of_all, int64_t padding);
};

/// The pixels (h + i * stride.h, w + j * stride.w) of dx, for h and w below the strides, all read the same places of
/// the kernel: y[c,i,j] = sum over o and those places of g * weight, a convolution of stride 1 whose weight, a view of
/// the given one, is turned round. Its padding may be negative; it has no places where the stride is larger than the
/// kernel. One group.
ConvArgs grad_input_phase(const Array& g, const Array& weight, const ConvGeometry& geometry, const Array& dx, int64_t h,
                          int64_t w);

}  // namespace ingot::kernels
