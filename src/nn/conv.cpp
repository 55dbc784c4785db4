#include "ingot/nn/conv.h"

#include <cmath>

#include "nn/draw.h"
#include "nn/refuse.h"
#include "nn/text.h"

namespace ingot {
namespace {

template <class Sizes, class Options>
std::string text_of(const ConvBase& conv, const Sizes& kernel, const Options& o) {
  using Padding = decltype(o.padding);
  std::string text = fmt::format("{}, {}, kernel_size={}, stride={}", conv.in_channels, conv.out_channels,
                                 python_tuple(kernel), python_tuple(o.stride));
  if (!(o.padding == Padding(0))) text += ", padding=" + python_tuple(o.padding);
  if (!(o.dilation == Sizes(1))) text += ", dilation=" + python_tuple(o.dilation);
  if constexpr (requires { o.output_padding; })
    if (!(o.output_padding == Sizes(0))) text += ", output_padding=" + python_tuple(o.output_padding);
  if (o.groups != 1) text += fmt::format(", groups={}", o.groups);
  if (!conv.bias) text += ", bias=False";
  if constexpr (requires { o.padding_mode; })
    if (o.padding_mode != PadMode::constant) text += fmt::format(", padding_mode={}", name_of(o.padding_mode));
  return text;
}

void check_kernel(std::string_view layer, std::initializer_list<int64_t> sizes, const std::string& text) {
  for (const int64_t size : sizes) require(size > 0, layer, "kernel_size {} must be positive", text);
}

}  // namespace

void ConvBase::check(int64_t groups) const {
  require(in_channels > 0 && out_channels > 0, type_name(), "{} input and {} output channels: both must be positive",
          in_channels, out_channels);
  require(groups > 0 && in_channels % groups == 0 && out_channels % groups == 0, type_name(),
          "{} input and {} output channels do not divide into {} groups", in_channels, out_channels, groups);
}

void ConvBase::make_parameters(const Shape& weight_shape, bool with_bias) {
  parameter("weight", weight, empty(weight_shape));
  if (with_bias) parameter("bias", bias, empty({out_channels}));
  draw_initial_values();
}

void ConvBase::reset_parameters(RandomKey key) { draw_uniform(weight, bias, key); }

Pads same_padding(Pair kernel, Pair dilation) {
  const int64_t h = dilation.h * (kernel.h - 1), w = dilation.w * (kernel.w - 1);
  return {h / 2, w / 2, h - h / 2, w - w / 2};
}

Conv2d::Conv2d(int64_t in, int64_t out, Pair kernel, const ConvOptions& o)
    : ModuleOf(in, out), kernel_size(kernel), options(o) {
  check(o.groups);
  check_kernel("Conv2d", {kernel.h, kernel.w}, python_tuple(kernel));
  make_parameters({out, in / o.groups, kernel.h, kernel.w}, o.bias);
}
Tensor Conv2d::forward(const Tensor& x) const {
  const auto& [stride, pads, dilation, groups, with_bias, mode] = options;
  if (mode == PadMode::constant)
    return conv2d(x, weight, bias, {.stride = stride, .padding = pads, .dilation = dilation, .groups = groups});
  return conv2d(pad(x, {0, 0, pads.top, pads.left}, {0, 0, pads.bottom, pads.right}, mode), weight, bias,
                {.stride = stride, .dilation = dilation, .groups = groups});
}
std::string Conv2d::extra_repr() const { return text_of(*this, kernel_size, options); }

Conv1d::Conv1d(int64_t in, int64_t out, int64_t kernel, const Conv1dLayerOptions& o)
    : ModuleOf(in, out), kernel_size(kernel), options(o) {
  check(o.groups);
  check_kernel("Conv1d", {kernel}, fmt::format("{}", kernel));
  make_parameters({out, in / o.groups, kernel}, o.bias);
}
Tensor Conv1d::forward(const Tensor& x) const {
  const auto& [stride, padding, dilation, groups, with_bias, mode] = options;
  if (mode == PadMode::constant)
    return conv1d(x, weight, bias, {.stride = stride, .padding = padding, .dilation = dilation, .groups = groups});
  return conv1d(pad(x, {0, 0, padding}, {0, 0, padding}, mode), weight, bias,
                {.stride = stride, .dilation = dilation, .groups = groups});
}
std::string Conv1d::extra_repr() const { return text_of(*this, kernel_size, options); }

Conv3d::Conv3d(int64_t in, int64_t out, Triple kernel, const Conv3dLayerOptions& o)
    : ModuleOf(in, out), kernel_size(kernel), options(o) {
  check(o.groups);
  check_kernel("Conv3d", {kernel.d, kernel.h, kernel.w}, python_tuple(kernel));
  make_parameters({out, in / o.groups, kernel.d, kernel.h, kernel.w}, o.bias);
}
Tensor Conv3d::forward(const Tensor& x) const {
  const auto& [stride, p, dilation, groups, with_bias, mode] = options;
  if (mode == PadMode::constant)
    return conv3d(x, weight, bias, {.stride = stride, .padding = p, .dilation = dilation, .groups = groups});
  return conv3d(pad(x, {0, 0, p.d, p.h, p.w}, {0, 0, p.d, p.h, p.w}, mode), weight, bias,
                {.stride = stride, .padding = 0, .dilation = dilation, .groups = groups});
}
std::string Conv3d::extra_repr() const { return text_of(*this, kernel_size, options); }

ConvTranspose2d::ConvTranspose2d(int64_t in, int64_t out, Pair kernel, const ConvTransposeOptions& o)
    : ModuleOf(in, out), kernel_size(kernel), options(o) {
  check(o.groups);
  check_kernel("ConvTranspose2d", {kernel.h, kernel.w}, python_tuple(kernel));
  make_parameters({in, out / o.groups, kernel.h, kernel.w}, o.bias);
}
Tensor ConvTranspose2d::forward(const Tensor& x) const {
  return conv_transpose2d(x, weight, bias,
                          {.stride = options.stride,
                           .padding = options.padding,
                           .output_padding = options.output_padding,
                           .dilation = options.dilation,
                           .groups = options.groups});
}
std::string ConvTranspose2d::extra_repr() const { return text_of(*this, kernel_size, options); }

}  // namespace ingot
