#pragma once

#include <cstddef>

#include "kernels/conv.h"

/// The gradients of a convolution as products of pixels (gemm.h, outer_products.h): no work on padding or on zeros
/// between the pixels of a stride. f32, channels-last; activations may be channel slices of wider arrays, weights have
/// any strides. Bits do not depend on threads.
namespace ingot::kernels {

/// Whether it runs this: f32, one group, channels side by side in g and dx.
bool conv_gemm_grad_input_supports(const Array& g, const Array& weight, const ConvGeometry& geometry, const Array& dx);
size_t conv_gemm_grad_input_scratch(const Array& g, const Array& weight, const ConvGeometry& geometry, const Array& dx);
void conv_gemm_grad_input(const Array& g, const Array& weight, const ConvGeometry& geometry, const Array& dx,
                          void* scratch);

/// Whether it runs this: f32, channels side by side in x and g.
bool conv_gemm_grad_weight_supports(const Array& x, const Array& g, const Array& dweight);
size_t conv_gemm_grad_weight_scratch(const Array& x, const Array& g, const ConvGeometry& geometry,
                                     const Array& dweight);
void conv_gemm_grad_weight(const Array& x, const Array& g, const ConvGeometry& geometry, const Array& dweight,
                           void* scratch);

}  // namespace ingot::kernels
