#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "kernels/conv.h"

/// Depthwise 2-D convolution, groups == channels == outputs, of any kernel, stride, dilation and padding, and its
/// gradients. f32, channels-last; activations may be channel slices of wider arrays. Kernels 3, 5 and (stride 1) 7 wide
/// without dilation, at strides 1 and 2 along a row, have code of their own.
namespace ingot::kernels {

/// Whether it runs this: f32, one weight plane a channel, channels side by side in x, y and residual.
bool conv_depthwise_supports(const ConvArgs& args);

/// Weights packed once for many runs, in strips of channels behind a header. They serve any CPU tier, batch, image size
/// and thread count.
size_t conv_depthwise_packed_bytes(const ConvArgs& args);
/// "depthwise:f32:16": strips of 16 channels.
std::string conv_depthwise_packed_format();
void conv_depthwise_pack(const ConvArgs& args, void* packed);
/// Throws Error unless these bytes are a [C,1,KH,KW] weight in the packed format of this name: for data from a file.
/// conv_depthwise trusts what it gets.
void check_conv_depthwise_packed(const Array& weight, int64_t groups, std::span<const std::byte> packed,
                                 std::string_view format);
/// Packed weights back into `weight`, f32 of any strides.
void conv_depthwise_unpack(const void* packed, const Array& weight);

size_t conv_depthwise_scratch(const ConvArgs& args);
/// Reads `packed` (64-byte aligned) in place of args.weight.data. Bits do not depend on threads, batch or the place in
/// it.
void conv_depthwise(const ConvArgs& args, const void* packed, void* scratch);

/// The same for weights that change: packs args.weight at each call.
size_t conv_depthwise_unpacked_scratch(const ConvArgs& args);
void conv_depthwise_unpacked(const ConvArgs& args, void* scratch);

/// conv2d_grad_input of a depthwise convolution: the correlation of g with the turned weights, at a stride one for each
/// remainder of rows and columns, so that nothing is multiplied by the zeros that a stride would insert. Strides up to
/// 4 without dilation, or stride 1. Bits as conv_depthwise's.
bool conv_depthwise_grad_input_supports(const Array& g, const Array& weight, const ConvGeometry& geometry,
                                        const Array& dx);
size_t conv_depthwise_grad_input_scratch(const Array& g, const Array& weight, const ConvGeometry& geometry,
                                         const Array& dx);
void conv_depthwise_grad_input(const Array& g, const Array& weight, const ConvGeometry& geometry, const Array& dx,
                               void* scratch);

/// conv2d_grad_weight of a depthwise convolution whose kernel is 3, 5 or (stride 1) 7 wide without dilation, at strides
/// 1 and 2 along a row. f32; dweight of any strides. The sum over pixels is cut into parts by shape, which are added in
/// order: bits do not depend on threads.
bool conv_depthwise_grad_weight_supports(const Array& x, const Array& g, const ConvGeometry& geometry,
                                         const Array& dweight);
size_t conv_depthwise_grad_weight_scratch(const Array& x, const Array& g, const ConvGeometry& geometry,
                                          const Array& dweight);
void conv_depthwise_grad_weight(const Array& x, const Array& g, const ConvGeometry& geometry, const Array& dweight,
                                void* scratch);

}  // namespace ingot::kernels
