#pragma once

#include <cstddef>

#include "kernels/conv.h"

/// 2-D convolution of any kernel, stride, dilation, padding and groups as products (gemm.h) of pixels that pointers
/// name: nothing is unfolded. f32, channels-last; x, y and residual may be channel slices of wider arrays.
namespace ingot::kernels {

/// Whether it runs this: f32, channels side by side in x, y and residual, and y's pixels at one distance.
bool conv_gemm_supports(const ConvArgs& args);

/// Packed weights, in floats.
int64_t conv_gemm_packed_size(const ConvArgs& args);
void conv_gemm_pack(const ConvArgs& args, float* packed);

size_t conv_gemm_scratch(const ConvArgs& args);
/// Reads `packed` in place of args.weight. Bits do not depend on threads, batch or the place in it.
void conv_gemm(const ConvArgs& args, const float* packed, void* scratch);

}  // namespace ingot::kernels
