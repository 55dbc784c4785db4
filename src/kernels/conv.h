#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/array.h"
#include "ingot/geometry.h"

/// 2-D convolution, its two gradients, and their plain twins.
///
/// x [N,C,H,W], weight [O,C/groups,KH,KW], y and g [N,O,H',W'] of one dtype (f32, bf16, f64), any strides.
///
/// conv2d and its gradients choose a kernel by the sizes and by math() (ingot/math.h), at each call alike:
/// - Winograd's filtering (conv_winograd.h, conv_winograd_grad.h) for 3x3 convolutions of many channels in f32, unless
///   math is strict;
/// - our own depthwise kernels (conv_depthwise.h) where groups are as many as channels, in f32;
/// - our own products (conv_gemm.h, conv_gemm_grad.h) where they are faster than oneDNN's;
/// - oneDNN (conv_onednn.h) for the rest, bf16 too;
/// - the plain kernels for f64.
///
/// Every `_scratch` function gives the bytes that its kernel needs at these shapes, strides and this thread count; it
/// looks at no data, but an absent operand is one whose `data` is null. Scratch should start at a 64-byte boundary.
/// An empty batch is no work; the gradient of the weight is then zero.
///
/// Bits: the same for equal shapes and thread counts. Our own kernels' do not depend on the thread count, nor do
/// oneDNN's forward pass and gradient of the input, unless a gemm of its runs them (large paddings, few channels a
/// group); its gradient of the weight does, as it splits its sum over the threads. Fused relu and relu6 of oneDNN turn
/// NaN into 0; the plain ops, which training runs, do not.
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

/// The kernels that run: "winograd4", "gemm", "onednn: brgconv:avx512_core", "onednn: jit_1x1:avx2", "plain".
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
