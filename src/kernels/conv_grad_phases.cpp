#include "kernels/conv_grad_phases.h"

#include <numeric>

namespace ingot::kernels {
PhaseLine::PhaseLine(int64_t phase, int64_t kernel, int64_t stride, int64_t dilation_of_all, int64_t padding) {
  const int64_t common = std::gcd(stride, dilation_of_all);
  step = stride / common, dilation = dilation_of_all / common;
  while (first < kernel && (phase + padding - first * dilation_of_all) % stride != 0) ++first;
  count = (kernel - first + step - 1) / step;
  pad = dilation * (count - 1) - (phase + padding - first * dilation_of_all) / stride;
}

ConvArgs grad_input_phase(const Array& g, const Array& weight, const ConvGeometry& geometry, const Array& dx, int64_t h,
                          int64_t w) {
  const Pair stride = geometry.stride;
  const PhaseLine rows(h, weight.shape[2], stride.h, geometry.dilation.h, geometry.padding.top);
  const PhaseLine columns(w, weight.shape[3], stride.w, geometry.dilation.w, geometry.padding.left);

  Array turned = weight;
  turned.shape = {weight.shape[1], weight.shape[0], rows.count, columns.count};
  turned.strides = {weight.strides[1], weight.strides[0], -rows.step * weight.strides[2],
                    -columns.step * weight.strides[3]};
  if (turned.numel() > 0)
    turned.data = weight.as<float>() + (rows.first + rows.step * (rows.count - 1)) * weight.strides[2] +
                  (columns.first + columns.step * (columns.count - 1)) * weight.strides[3];

  Array y = dx;
  y.data = dx.as<float>() + h * dx.strides[2] + w * dx.strides[3];
  y.shape[2] = (dx.shape[2] - h + stride.h - 1) / stride.h;
  y.shape[3] = (dx.shape[3] - w + stride.w - 1) / stride.w;
  y.strides[2] = dx.strides[2] * stride.h, y.strides[3] = dx.strides[3] * stride.w;

  return {.x = g,
          .weight = turned,
          .bias = {},
          .residual = {},
          .geometry = {.dilation = {rows.dilation, columns.dilation}, .padding = {rows.pad, columns.pad, 0, 0}},
          .y = y};
}

}  // namespace ingot::kernels
