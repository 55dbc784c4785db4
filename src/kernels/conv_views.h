#pragma once

#include "base/array.h"
#include "kernels/conv.h"

/// What our own convolutions want of activations. Internal to conv_gemm*.cpp, conv_winograd*.cpp and
/// conv_depthwise*.cpp.
namespace ingot::kernels {

/// A channels-last array whose channels lie side by side: the distance of pixels, rows and images.
struct View {
  int64_t pixel, row, image;
};
inline View view_of(const Array& a) { return {a.strides[3], a.strides[2], a.strides[0]}; }
inline bool has_adjacent_channels(const Array& a) { return a.shape[1] == 1 || a.strides[1] == 1; }
/// Whether pixel i of an image lies at i times one distance.
inline bool has_even_pixels(const Array& a) {
  return a.shape[2] == 1 || a.shape[3] == 1 || a.strides[2] == a.shape[3] * a.strides[3];
}
inline int64_t pixel_distance(const Array& a) { return a.strides[a.shape[3] > 1 ? 3 : a.shape[2] > 1 ? 2 : 0]; }

/// Whether the pixels of all images lie at multiples of one distance.
inline bool has_even_images(const Array& a) {
  return has_even_pixels(a) && (a.shape[0] == 1 || a.strides[0] == a.shape[2] * a.shape[3] * pixel_distance(a));
}

/// Whether each output is made from one pixel of x, that of its own place.
inline bool reads_own_pixels(const Array& x, const Array& weight, const ConvGeometry& g, const Array& y) {
  return weight.shape[2] * weight.shape[3] == 1 && g.stride.h * g.stride.w == 1 && g.padding.top == 0 &&
         g.padding.left == 0 && x.shape[2] == y.shape[2] && x.shape[3] == y.shape[3];
}

inline bool is_own_activation(const Array& a) { return a.dtype == DType::f32 && has_adjacent_channels(a); }

/// Whether all is f32 and channels lie side by side, the bias's values too, and the vector kernels know the activation.
inline bool has_own_form(const ConvArgs& a) {
  if (!is_own_activation(a.x) || !is_own_activation(a.y) || a.weight.shape[1] == 0) return false;
  if (a.residual && !is_own_activation(a.residual)) return false;
  if (a.bias && (a.bias.dtype != DType::f32 || (a.bias.shape[0] > 1 && a.bias.strides[0] != 1))) return false;
  return a.activation != Activation::hardsigmoid || (a.alpha == 1.0 / 6 && a.beta == 0.5);
}

/// Whether a gradient of activations x and g, which are not empty, is f32 with channels side by side.
inline bool has_own_gradient(const Array& x, const Array& g, const Array& weight) {
  return is_own_activation(x) && is_own_activation(g) && weight.dtype == DType::f32 && x.numel() > 0 && g.numel() > 0;
}

/// Whether a depthwise convolution's gradients are f32, channels side by side in both activations.
inline bool has_own_planes(const Array& g, const Array& weight, int64_t groups, const Array& x) {
  return is_own_activation(g) && is_own_activation(x) && weight.dtype == DType::f32 && weight.shape[1] == 1 &&
         groups == x.shape[1] && groups == g.shape[1];
}

}  // namespace ingot::kernels
