#include <cmath>

#include "ingot/init.h"
#include "ingot/nn.h"
#include "nn/refuse.h"
#include "nn/text.h"

namespace ingot {
namespace {

// Kaiming's uniform with a = sqrt(5), which is how PyTorch writes this bound.
void draw(const Tensor& weight, const std::optional<Tensor>& bias, RandomKey key) {
  const auto fan_in = static_cast<double>(calculate_fan(weight).in);
  const double bound = fan_in > 0 ? 1 / std::sqrt(fan_in) : 0;
  uniform_(weight, -bound, bound, parameter_key(key, "weight"));
  if (bias) uniform_(*bias, -bound, bound, parameter_key(key, "bias"));
}

}  // namespace

Conv2d::Conv2d(int64_t in, int64_t out, Pair kernel, const ConvOptions& conv)
    : in_channels(in), out_channels(out), kernel_size(kernel), options(conv) {
  require(in > 0 && out > 0, "Conv2d", "{} input and {} output channels: both must be positive", in, out);
  require(kernel.h > 0 && kernel.w > 0, "Conv2d", "kernel_size {} must be positive", python_tuple(kernel));
  require(conv.groups > 0 && in % conv.groups == 0 && out % conv.groups == 0, "Conv2d",
          "{} input and {} output channels do not divide into {} groups", in, out, conv.groups);
  parameter("weight", weight, empty({out, in / conv.groups, kernel.h, kernel.w}));
  if (conv.bias) parameter("bias", bias, empty({out}));
  draw_initial_values();
}

Tensor Conv2d::forward(const Tensor& x) const {
  return conv2d(
      x, weight, bias,
      {.stride = options.stride, .padding = options.padding, .dilation = options.dilation, .groups = options.groups});
}

void Conv2d::reset_parameters(RandomKey key) { draw(weight, bias, key); }

std::string Conv2d::extra_repr() const {
  std::string text = fmt::format("{}, {}, kernel_size={}, stride={}", in_channels, out_channels,
                                 python_tuple(kernel_size), python_tuple(options.stride));
  if (!(options.padding == Pads(0))) text += ", padding=" + python_tuple(options.padding);
  if (!(options.dilation == Pair(1))) text += ", dilation=" + python_tuple(options.dilation);
  if (options.groups != 1) text += fmt::format(", groups={}", options.groups);
  if (!bias) text += ", bias=False";
  return text;
}

Linear::Linear(int64_t in, int64_t out, const LinearOptions& options) : in_features(in), out_features(out) {
  require(in >= 0 && out >= 0, "Linear", "{} input and {} output features: neither may be negative", in, out);
  parameter("weight", weight, empty({out, in}));
  if (options.bias) parameter("bias", bias, empty({out}));
  draw_initial_values();
}

void Linear::reset_parameters(RandomKey key) { draw(weight, bias, key); }

std::string Linear::extra_repr() const {
  return fmt::format("in_features={}, out_features={}, bias={}", in_features, out_features,
                     python_text(bias.has_value()));
}

}  // namespace ingot
