#include <algorithm>
#include <tuple>

#include "base/check.h"
#include "base/parallel.h"
#include "base/visit_dtype.h"
#include "kernels/conv.h"
#include "kernels/conv_activation.h"
#include "kernels/conv_taps.h"

namespace ingot::kernels {
namespace {

int64_t at(const Array& a, int64_t i, int64_t j, int64_t k, int64_t l) {
  return i * a.strides[0] + j * a.strides[1] + k * a.strides[2] + l * a.strides[3];
}

double bias_at(const Array& bias, int64_t o) {
  if (!bias) return 0;
  double value = 0;
  visit_floating(bias.dtype, [&]<class T>(std::type_identity<T>) { value = bias.as<T>()[o * bias.strides[0]]; });
  return value;
}

// sum_c x[c * xs] * w[c * ws]
template <class T>
double dot(const T* x, int64_t xs, const T* w, int64_t ws, int64_t count) {
  double sum = 0;
  for (int64_t c = 0; c < count; ++c) sum += double(x[c * xs]) * double(w[c * ws]);
  return sum;
}

template <class T>
double convolve(const ConvArgs& a, int64_t n, int64_t o, int64_t i, int64_t j) {
  const auto& [x, w, s, d] = std::tie(a.x, a.weight, a.geometry.stride, a.geometry.dilation);
  const int64_t channels = w.shape[1], c0 = o / (w.shape[0] / a.geometry.groups) * channels;
  const int64_t h0 = i * s.h - a.geometry.padding.top, w0 = j * s.w - a.geometry.padding.left;
  const Taps rows(h0, d.h, w.shape[2], x.shape[2]), columns(w0, d.w, w.shape[3], x.shape[3]);
  double sum = 0;
  for (int64_t u = rows.begin; u < rows.end; ++u)
    for (int64_t v = columns.begin; v < columns.end; ++v)
      sum += dot(x.as<T>() + at(x, n, c0, h0 + u * d.h, w0 + v * d.w), x.strides[1], w.as<T>() + at(w, o, 0, u, v),
                 w.strides[1], channels);
  return sum;
}

template <class T>
void forward(const ConvArgs& a) {
  const Array& y = a.y;
  const int64_t outputs = y.shape[1], height = y.shape[2], width = y.shape[3];
  parallel_for(y.shape[0] * outputs, 1, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const int64_t n = plane / outputs, o = plane % outputs;
      const double bias = bias_at(a.bias, o);
      for (int64_t i = 0; i < height; ++i)
        for (int64_t j = 0; j < width; ++j) {
          double sum = bias + convolve<T>(a, n, o, i, j);
          if (a.residual) sum += double(a.residual.as<T>()[at(a.residual, n, o, i, j)]);
          y.as<T>()[at(y, n, o, i, j)] = T(activate<double>(a.activation, sum, a.alpha, a.beta));
        }
    }
  });
}

// The gradient at one element of x: which output rows and columns read it, by tap.
template <class T>
double gather(const Array& g, const Array& w, const ConvGeometry& geometry, int64_t n, int64_t c, int64_t h,
              int64_t x) {
  const auto& [s, d, p] = std::tie(geometry.stride, geometry.dilation, geometry.padding);
  const int64_t group = c / w.shape[1], per_group = w.shape[0] / geometry.groups, o0 = group * per_group;
  double sum = 0;
  for (int64_t u = 0; u < w.shape[2]; ++u) {
    const int64_t row = h + p.top - u * d.h;
    if (row < 0 || row % s.h != 0 || row / s.h >= g.shape[2]) continue;
    for (int64_t v = 0; v < w.shape[3]; ++v) {
      const int64_t column = x + p.left - v * d.w;
      if (column < 0 || column % s.w != 0 || column / s.w >= g.shape[3]) continue;
      sum += dot(g.as<T>() + at(g, n, o0, row / s.h, column / s.w), g.strides[1],
                 w.as<T>() + at(w, o0, c % w.shape[1], u, v), w.strides[0], per_group);
    }
  }
  return sum;
}

template <class T>
void grad_input(const Array& g, const Array& w, const ConvGeometry& geometry, const Array& dx) {
  const int64_t channels = dx.shape[1];
  parallel_for(dx.shape[0] * channels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane)
      for (int64_t h = 0; h < dx.shape[2]; ++h)
        for (int64_t x = 0; x < dx.shape[3]; ++x) {
          const int64_t n = plane / channels, c = plane % channels;
          dx.as<T>()[at(dx, n, c, h, x)] = T(gather<T>(g, w, geometry, n, c, h, x));
        }
  });
}

// sum over n, i, j of g[n,o,i,j] * x[n, c, i*stride + first row, j*stride + first column], the places inside x only.
template <class T>
double correlate(const Array& x, const Array& g, const ConvGeometry& geometry, int64_t o, int64_t c, int64_t h0,
                 int64_t w0) {
  const Pair& s = geometry.stride;
  const Taps rows(h0, s.h, g.shape[2], x.shape[2]), columns(w0, s.w, g.shape[3], x.shape[3]);
  double sum = 0;
  for (int64_t n = 0; n < g.shape[0]; ++n)
    for (int64_t i = rows.begin; i < rows.end && columns.begin < columns.end; ++i)
      sum += dot(x.as<T>() + at(x, n, c, h0 + i * s.h, w0 + columns.begin * s.w), s.w * x.strides[3],
                 g.as<T>() + at(g, n, o, i, columns.begin), g.strides[3], columns.end - columns.begin);
  return sum;
}

template <class T>
void grad_weight(const Array& x, const Array& g, const ConvGeometry& geometry, const Array& dw) {
  const auto& [d, p] = std::tie(geometry.dilation, geometry.padding);
  const int64_t channels = dw.shape[1], per_group = dw.shape[0] / geometry.groups;
  parallel_for(dw.shape[0] * channels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const int64_t o = plane / channels, c = plane % channels;
      for (int64_t u = 0; u < dw.shape[2]; ++u)
        for (int64_t v = 0; v < dw.shape[3]; ++v)
          dw.as<T>()[at(dw, o, c, u, v)] =
              T(correlate<T>(x, g, geometry, o, o / per_group * channels + c, u * d.h - p.top, v * d.w - p.left));
    }
  });
}

}  // namespace

void conv2d_reference(const ConvArgs& args) {
  visit_floating(args.y.dtype, [&]<class T>(std::type_identity<T>) { forward<T>(args); });
}

void conv2d_grad_input_reference(const Array& g, const Array& weight, const ConvGeometry& geometry, const Array& dx) {
  visit_floating(dx.dtype, [&]<class T>(std::type_identity<T>) { grad_input<T>(g, weight, geometry, dx); });
}

void conv2d_grad_weight_reference(const Array& x, const Array& g, const ConvGeometry& geometry, const Array& dweight) {
  visit_floating(dweight.dtype, [&]<class T>(std::type_identity<T>) { grad_weight<T>(x, g, geometry, dweight); });
}

}  // namespace ingot::kernels
