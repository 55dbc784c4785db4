#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "kernels/conv.h"

/// 2-D convolution of any kernel, stride, dilation, padding and groups as products (gemm.h) of pixels that pointers
/// name: nothing is unfolded. f32, channels-last; x, y and residual may be channel slices of wider arrays.
namespace ingot::kernels {

/// Whether it runs this: f32, channels side by side in x, y and residual, and the residual's pixels at one distance.
bool conv_gemm_supports(const ConvArgs& args);

/// Weights packed once for many runs, in the order in which the micro-kernel of this CPU tier reads them, behind a
/// header that names it. They serve any batch, image size and thread count.
size_t conv_gemm_packed_bytes(const ConvArgs& args);
/// "gemm:f32:16": strips of 16 outputs.
std::string conv_gemm_packed_format();
void conv_gemm_pack(const ConvArgs& args, void* packed);
/// Throws Error unless these bytes are a [O,I/groups,KH,KW] weight in the packed format of this name: for data from a
/// file. conv_gemm trusts what it gets.
void check_conv_gemm_packed(const Array& weight, int64_t groups, std::span<const std::byte> packed,
                            std::string_view format);
/// Packed weights back into `weight`, f32 of any strides.
void conv_gemm_unpack(const void* packed, int64_t groups, const Array& weight);

size_t conv_gemm_scratch(const ConvArgs& args);
/// Reads `packed` (64-byte aligned, of this tier) in place of args.weight.data. Bits do not depend on threads, batch or
/// the place in it.
void conv_gemm(const ConvArgs& args, const void* packed, void* scratch);

/// Convolutions of one x with one kernel size and one geometry of one group, as in an Inception module: where their
/// windows lie is worked out once, and x is read once for all. Each has weights, packed as above, and all that follows
/// the sums of its own; each y may be another slice of one array. The same bits as one by one.
bool conv_gemm_supports_siblings(std::span<const ConvArgs> siblings);
size_t conv_gemm_siblings_scratch(std::span<const ConvArgs> siblings);
void conv_gemm_siblings(std::span<const ConvArgs> siblings, std::span<const void* const> packed, void* scratch);

/// The same as conv_gemm for weights that change: packs args.weight at each call.
size_t conv_gemm_unpacked_scratch(const ConvArgs& args);
void conv_gemm_unpacked(const ConvArgs& args, void* scratch);

}  // namespace ingot::kernels
