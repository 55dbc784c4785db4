#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "kernels/conv.h"

/// conv.h's functions by oneDNN, f32 and bf16: in bf16 where the CPU has its instructions, in f32 through scratch
/// elsewhere. f64, and what oneDNN refuses, runs on the plain kernels. oneDNN sees channels-last arrays only: what is
/// not dense channels-last, a channel slice of a concat for instance, is copied to or from scratch, and
/// strided_copies() counts it.
namespace ingot::kernels {

size_t conv_onednn_scratch(const ConvArgs& args);
void conv_onednn(const ConvArgs& args, void* scratch);

size_t conv_onednn_grad_input_scratch(const Array& g, const Array& weight, const ConvGeometry& geometry,
                                      const Array& dx);
void conv_onednn_grad_input(const Array& g, const Array& weight, const ConvGeometry& geometry, const Array& dx,
                            void* scratch);

size_t conv_onednn_grad_weight_scratch(const Array& x, const Array& g, const ConvGeometry& geometry,
                                       const Array& dweight);
void conv_onednn_grad_weight(const Array& x, const Array& g, const ConvGeometry& geometry, const Array& dweight,
                             void* scratch);

/// Weights packed once for many runs, in the form that the fast kernel reads at this shape, batch and thread count.
/// Packed data starts with a header that names its form and refuses foreign data. It serves any batch size, image size
/// and thread count: where the kernel then wants another form, the weights are reordered at each run, which
/// conv_onednn_packed_format tells beforehand. 0 bytes: this convolution has no packed form (f64).
size_t conv_onednn_packed_bytes(const ConvArgs& args);
/// Names the form, such as "onednn:f32:acdb:64a", or "plain". Stored data of another dtype than this names must be
/// packed anew; of another blocking, it is merely slower.
std::string conv_onednn_packed_format(const ConvArgs& args);
void conv_onednn_pack(const ConvArgs& args, void* packed);
/// As conv_onednn, reading `packed` (64-byte aligned) in place of args.weight.data.
size_t conv_onednn_packed_scratch(const ConvArgs& args, const void* packed);
void conv_onednn_packed(const ConvArgs& args, const void* packed, void* scratch);

/// Throws Error unless these bytes are a [O,I/groups,KH,KW] weight in the packed format of this name: for data from a
/// file. conv_onednn_packed trusts what it gets.
void check_conv_onednn_packed(const Array& weight, int64_t groups, std::span<const std::byte> packed,
                              std::string_view format);
/// Packed weights back into `weight`, of any strides, f32 or bf16.
void conv_onednn_unpack(const void* packed, int64_t groups, const Array& weight);

/// The implementations that run, as oneDNN names them ("brgconv:avx512_core", "jit_1x1:avx2"), or "plain".
std::string conv_onednn_implementation(const ConvArgs& args);
std::string conv_onednn_grad_input_implementation(const Array& g, const Array& weight, const ConvGeometry& geometry,
                                                  const Array& dx);
std::string conv_onednn_grad_weight_implementation(const Array& x, const Array& g, const ConvGeometry& geometry,
                                                   const Array& dweight);

}  // namespace ingot::kernels
