#pragma once

#include "kernels/conv.h"

/// The gradient of a convolution's input as convolutions of the gradient of its output. Internal to
/// conv_*_grad_input.cpp.
namespace ingot::kernels {

/// The pixels (h + i * stride.h, w + j * stride.w) of dx, for h and w below the strides, all read the same places of
/// the kernel: y[c,i,j] = sum over o and those places of g * weight, a convolution of stride 1 whose weight, a view of
/// the given one, is turned round. Its padding may be negative; it has no places where the stride is larger than the
/// kernel. One group.
ConvArgs grad_input_phase(const Array& g, const Array& weight, const ConvGeometry& geometry, const Array& dx, int64_t h,
                          int64_t w);

}  // namespace ingot::kernels
