#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/array.h"
#include "ingot/geometry.h"

/// 2-D convolution, its two gradients, and their plain twins.
///
/// x [N,C,H,W], weight [O,C/groups,KH,KW], y and g [N,O,H',W'] of one dtype (f32, bf16, f64), any strides. f32 and bf16
/// run on oneDNN, in bf16 where the CPU has its instructions and in f32 through scratch elsewhere; f64 runs on the
/// plain kernels. oneDNN sees channels-last arrays only: what is not dense channels-last, a channel slice of a concat
/// for instance, is copied to or from scratch, and strided_copies() counts it.
///
/// Every `_scratch` function gives the bytes that its kernel needs at these shapes, strides and this thread count; it
/// looks at no data, but an absent operand is one whose `data` is null. Scratch should start at a 64-byte boundary.
/// An empty batch is no work; the gradient of the weight is then zero.
///
/// Bits: the same for equal shapes and thread counts. The forward pass and the gradient of the input do not depend on
/// the thread count, unless a gemm runs them (large paddings, few channels a group); the gradient of the weight does,
/// as oneDNN splits its sum over the threads. Fused relu and relu6
/// turn NaN into 0; the plain ops, which training runs, do not.
namespace ingot::kernels {

/// y = activation(conv(x, weight) + bias + residual)
struct ConvArgs {
  Array x, weight;
  Array bias;      // [O], of x's dtype or f32, or absent
  Array residual;  // of y's shape, or absent; may be y's own memory
  ConvGeometry geometry;
  Activation activation = Activation::none;
  double alpha = 0, beta = 0;  // leaky_relu: slope; elu: alpha; hardsigmoid: clip(alpha * x + beta, 0, 1)
  Array y;
};

size_t conv2d_scratch(const ConvArgs& args);
void conv2d(const ConvArgs& args, void* scratch);

/// dx[n,c,h,w] = sum over the outputs g[n,o,i,j] that read x[n,c,h,w] of g * weight.
size_t conv2d_grad_input_scratch(const Array& g, const Array& weight, const ConvGeometry& geometry, const Array& dx);
void conv2d_grad_input(const Array& g, const Array& weight, const ConvGeometry& geometry, const Array& dx,
                       void* scratch);

/// dweight[o,c,u,v] = sum over n,i,j of g[n,o,i,j] * x[n, c, i*stride + u*dilation - pad, ...].
size_t conv2d_grad_weight_scratch(const Array& x, const Array& g, const ConvGeometry& geometry, const Array& dweight);
void conv2d_grad_weight(const Array& x, const Array& g, const ConvGeometry& geometry, const Array& dweight,
                        void* scratch);

/// Weights packed once for many runs, in the form that the fast kernel reads at this shape, batch and thread count.
/// Packed data starts with a header that names its form and refuses foreign data. It serves any batch size, image size
/// and thread count: where the kernel then wants another form, the weights are reordered at each run, which
/// conv2d_packed_format tells beforehand. 0 bytes: this convolution has no packed form (f64); call conv2d.
size_t conv2d_packed_bytes(const ConvArgs& args);
/// Names the form, such as "onednn:f32:acdb:64a", or "plain". Stored data of another dtype than this names must be
/// packed anew; of another blocking, it is merely slower.
std::string conv2d_packed_format(const ConvArgs& args);
void conv2d_pack(const ConvArgs& args, void* packed);
/// As conv2d, reading `packed` (64-byte aligned) in place of args.weight.data.
size_t conv2d_packed_scratch(const ConvArgs& args, const void* packed);
void conv2d_packed(const ConvArgs& args, const void* packed, void* scratch);

/// Throws Error unless these bytes are a [O,I/groups,KH,KW] weight in the packed format of this name: for data from a
/// file. conv2d_packed trusts what it gets.
void check_conv2d_packed(const Array& weight, int64_t groups, std::span<const std::byte> packed,
                         std::string_view format);
/// Packed weights back into `weight`, of any strides, f32 or bf16.
void conv2d_unpack(const void* packed, int64_t groups, const Array& weight);

/// The implementations that run, as oneDNN names them ("brgconv:avx512_core", "jit_1x1:avx2"), or "plain".
std::string conv2d_implementation(const ConvArgs& args);
std::string conv2d_grad_input_implementation(const Array& g, const Array& weight, const ConvGeometry& geometry,
                                             const Array& dx);
std::string conv2d_grad_weight_implementation(const Array& x, const Array& g, const ConvGeometry& geometry,
                                              const Array& dweight);

/// Activations that were copied since the process started because their strides did not fit a fast kernel.
int64_t strided_copies();

/// The truth that tests compare with, and the f64 path: plain loops, sums in f64.
void conv2d_reference(const ConvArgs& args);
void conv2d_grad_input_reference(const Array& g, const Array& weight, const ConvGeometry& geometry, const Array& dx);
void conv2d_grad_weight_reference(const Array& x, const Array& g, const ConvGeometry& geometry, const Array& dweight);

}  // namespace ingot::kernels
