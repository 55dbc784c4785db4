#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "kernels/conv.h"

/// Convolution by Winograd's minimal filtering (Lavin & Gray 2016) with fewer multiplications than the sum itself
/// takes, at a larger rounding error: 3x3 by F(m x m, 3 x 3) for m = 2 and 4, 2.25 and 4 times fewer; at a stride of 2
/// by F(m, 2) over every other pixel and sums over those between, 1.44 and 1.78 times; 1x3 and 3x1 along one axis by
/// F(m, 3), 1.5 and 2 times; 1x7 and 7x1 by F(2, 7), 1.75 times. f32, channels-last; x, y and residual may be channel
/// slices of wider arrays. The transforms are in winograd_simd.cpp, their plain twins and the matrices in
/// winograd_plain.cpp, the products are gemm.h's.
namespace ingot::kernels {

/// Whether kernels of this size have an F(m).
bool conv_winograd_filters(int m, Pair kernel);
/// Whether it runs this: such a kernel, stride 1, or 2 of 3x3, dilation 1, one group, f32, channels side by side.
bool conv_winograd_supports(int m, const ConvArgs& args);

/// Weights transformed and packed once for many runs at this stride, for any batch, image size and thread count. Behind
/// them lie the weights as they were, which the transformed ones give back with rounding errors only.
size_t conv_winograd_packed_bytes(int m, const ConvArgs& args);
std::string conv_winograd_packed_format(int m, int64_t stride);  // "winograd4_strided:f32:16": strips of 16 outputs
void conv_winograd_pack(int m, const ConvArgs& args, void* packed);
/// Throws Error unless these bytes are a [O,I,KH,KW] weight in the packed format of this name: for data from a file.
/// conv_winograd trusts what it gets.
void check_conv_winograd_packed(int m, const Array& weight, std::span<const std::byte> packed, std::string_view format);
/// Packed weights back into `weight`, f32 of any strides.
void conv_winograd_unpack(int m, const void* packed, const Array& weight);

size_t conv_winograd_scratch(int m, const ConvArgs& args);
/// Reads `packed` (64-byte aligned, of this tier and stride, or an Error is thrown) in place of args.weight.data. Bits
/// do not depend on threads, batch or the place in it.
void conv_winograd(int m, const ConvArgs& args, const void* packed, void* scratch);

/// The same for weights that change: transforms args.weight at each call, in f32.
size_t conv_winograd_unpacked_scratch(int m, const ConvArgs& args);
void conv_winograd_unpacked(int m, const ConvArgs& args, void* scratch);

}  // namespace ingot::kernels
