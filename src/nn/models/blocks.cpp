#include "nn/models/blocks.h"

#include <algorithm>

#include "base/check.h"
#include "nn/activation.h"

namespace ingot {
int64_t round_channels(double channels) {
  const auto nearest = std::max<int64_t>(8, static_cast<int64_t>(channels + 4) / 8 * 8);
  return static_cast<double>(nearest) < 0.9 * channels ? nearest + 8 : nearest;
}

Sequential conv_norm(int64_t in, int64_t out, const ConvNormOptions& o, const BlockAttention& attention) {
  Sequential block;
  const AttentionShape shape{in, out, o.stride, o.groups};
  if (auto instead = attention.make(AttentionPosition::conv, shape)) {
    block.append(std::move(instead));
    if (replaces_norm(*attention.kind)) return block;
  } else {
    block.append(Conv2d(in, out, o.kernel,
                        {.stride = o.stride, .padding = (o.kernel - 1) / 2, .groups = o.groups, .bias = false}));
  }
  block.append(BatchNorm2d(out, o.norm));
  if (o.activation != Activation::none) block.append(make_activation(o.activation));
  return block;
}

Sequential inverted_residual(const InvertedResidualShape& s, Activation activation, const BatchNormOptions& norm,
                             InvertedResidualParts parts) {
  Sequential block;
  size_t number = 0;  // attention beside torchvision's layers has a name, so that theirs stay
  const auto next = [&](auto layer) { block.add(std::to_string(number++), std::move(layer)); };
  if (s.expanded != s.in) next(conv_norm(s.in, s.expanded, {.activation = activation, .norm = norm}));
  const ConvNormOptions depthwise{
      .kernel = s.kernel, .stride = s.stride, .groups = s.expanded, .activation = activation, .norm = norm};
  next(conv_norm(s.expanded, s.expanded, depthwise, parts.attention));
  if (parts.squeeze) next(std::move(parts.squeeze));
  if (auto inner = parts.attention.make(AttentionPosition::inner, {s.expanded, s.expanded}))
    block.add("attention", std::move(inner));
  next(conv_norm(s.expanded, s.out, {.norm = norm}));
  if (auto last = parts.attention.make(AttentionPosition::residual, {s.out, s.out}))
    block.add("attention", std::move(last));
  return block;
}

BasicConv2d::BasicConv2d(int64_t in, int64_t out, Pair kernel, Pair stride, Pads padding)
    : conv(in, out, kernel, {.stride = stride, .padding = padding, .bias = false}), bn(out, {.eps = 1e-3}) {
  child("conv", conv);
  child("bn", bn);
}

Tensor run_children(Module& network, const Tensor& x, std::string_view first, std::string_view last) {
  Tensor y = x;
  bool runs = false;
  for (const auto& [name, module] : network.named_children()) {
    runs = runs || name == first;
    if (runs) y = module->call({y})[0];
    if (name == last) break;
  }
  return y;
}

Tensor renormalized(const Tensor& x) {
  CHECK(x.rank() == 4 && x.size(1) == 3, "transform_input is for colour images [N,3,H,W], x is {}",
        to_string(x.shape()));
  const std::vector<double> mean{0.485, 0.456, 0.406}, std{0.229, 0.224, 0.225};
  std::vector<double> scale, shift;
  for (size_t c = 0; c < mean.size(); ++c) {
    scale.push_back(std[c] / 0.5);
    shift.push_back((mean[c] - 0.5) / 0.5);
  }
  const auto per_channel = [&](const std::vector<double>& values) {
    return cast(from_vector(values, {1, 3, 1, 1}), x.dtype());
  };
  return x * per_channel(scale) + per_channel(shift);
}

void draw_layers(Module& network, RandomKey key, const LayerRule& rule) {
  const NamedModules layers = network.named_modules();
  for (auto it = layers.rbegin(); it != layers.rend(); ++it) {
    const auto& [name, layer] = *it;
    const RandomKey own = parameter_key(key, name);
    if (layer != &network && !rule(name, *layer, own)) layer->reset_parameters(own);
  }
}

bool draw_conv_fan_out(Module& layer, RandomKey key) {
  auto* conv = dynamic_cast<Conv2d*>(&layer);
  if (conv == nullptr) return false;
  kaiming_normal_(conv->weight, {.mode = FanMode::fan_out, .nonlinearity = "relu"}, key);
  if (conv->bias) constant_(*conv->bias, 0);
  return true;
}

bool draw_linear_normal(Module& layer, RandomKey key, double std) {
  auto* linear = dynamic_cast<Linear*>(&layer);
  if (linear == nullptr) return false;
  normal_(linear->weight, 0, std, key);
  constant_(*linear->bias, 0);
  return true;
}

bool draw_trunc_normal(Module& layer, RandomKey key, double std) {
  auto* conv = dynamic_cast<Conv2d*>(&layer);
  auto* linear = dynamic_cast<Linear*>(&layer);
  if (conv == nullptr && linear == nullptr) return false;
  layer.reset_parameters(key);
  trunc_normal_(conv != nullptr ? conv->weight : linear->weight, {.std = std}, key);
  return true;
}

}  // namespace ingot
