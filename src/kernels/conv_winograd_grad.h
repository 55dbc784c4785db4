#pragma once

#include <cstddef>

#include "kernels/conv.h"

/// The gradients of a 3x3 convolution of stride 1 by Winograd's minimal filtering, with as many fewer multiplications
/// as conv_winograd.h has: that of the input is such a convolution itself, that of the weight is G^T [sum over tiles of
/// (A g A^T) * (B^T x B)] G. f32, channels-last; activations may be channel slices of wider arrays, weights have any
/// strides. Bits do not depend on threads.
namespace ingot::kernels {

/// Whether they run this: 3x3, stride and dilation 1, one group, f32, channels side by side.
bool conv_winograd_grad_supports(const Array& x, const Array& weight, const Array& g, const ConvGeometry& geometry);

size_t conv_winograd_grad_input_scratch(int m, const Array& g, const Array& weight, const ConvGeometry& geometry,
                                        const Array& dx);
void conv_winograd_grad_input(int m, const Array& g, const Array& weight, const ConvGeometry& geometry, const Array& dx,
                              void* scratch);

size_t conv_winograd_grad_weight_scratch(int m, const Array& x, const Array& g, const ConvGeometry& geometry,
                                         const Array& dweight);
void conv_winograd_grad_weight(int m, const Array& x, const Array& g, const ConvGeometry& geometry,
                               const Array& dweight, void* scratch);

}  // namespace ingot::kernels
