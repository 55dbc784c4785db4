#include <algorithm>
#include <cmath>

#include "nn/activation.h"
#include "nn/visual_attention/parts.h"

namespace ingot {
namespace {

constexpr size_t kActivation = 3, kScaleActivation = 4;  // SqueezeExcitation's children

}  // namespace

SqueezeExcitation::SqueezeExcitation(int64_t channels, int64_t squeezed, const SqueezeExcitationOptions& o)
    : options(o), avgpool(1), fc1(channels, squeezed, 1), fc2(squeezed, channels, 1) {
  child("avgpool", avgpool);
  child("fc1", fc1);
  child("fc2", fc2);
  own("activation", make_activation(o.activation));
  own("scale_activation", make_activation(o.scale_activation));
  draw_initial_values();
}
Tensor SqueezeExcitation::forward(const Tensor& x) {
  const Tensor squeezed = child_at(kActivation)->call({fc1(avgpool(x))})[0];
  const Tensor scale = child_at(kScaleActivation)->call({fc2(squeezed)})[0];
  return (options.identity_start ? 2.0 * scale : scale) * x;
}
void SqueezeExcitation::reset_parameters(RandomKey) {
  if (options.identity_start) start_at_zero(fc2);
}

int64_t eca_kernel_size(int64_t channels) {
  require(channels > 0, "ECA", "{} channels: there must be some", channels);
  const auto size = static_cast<int64_t>(std::abs(std::log2(static_cast<double>(channels)) / 2 + 0.5));
  return size % 2 == 1 ? size : size + 1;
}

ECA::ECA(int64_t channels, const ECAOptions& o)
    : options(o), conv([&] {
        const int64_t size = o.kernel_size.value_or(eca_kernel_size(channels));
        require_odd("ECA", size);
        return Conv1d(1, 1, size, {.padding = size / 2, .bias = false});
      }()) {
  child("conv", conv);
  draw_initial_values();
}
Tensor ECA::forward(const Tensor& x) const {
  require_planes("ECA", x);
  const Tensor mixed = conv(unsqueeze(mean(x, {2, 3}), 1));
  return x * over_the_plane(gate(squeeze(mixed, 1), options.identity_start));
}
void ECA::reset_parameters(RandomKey) {
  if (options.identity_start) start_at_zero(conv);
}

ChannelGate::ChannelGate(int64_t channels, int64_t reduction, bool identity)
    : identity_start(identity),
      fc1(channels, reduced("ChannelGate", channels, reduction)),
      fc2(fc1.out_features, channels) {
  child("fc1", fc1);
  child("fc2", fc2);
  draw_initial_values();
}
Tensor ChannelGate::forward(const Tensor& x) {
  require_planes("ChannelGate", x);
  const auto mlp = [&](const Tensor& pooled) { return fc2(relu(fc1(pooled))); };
  return x * over_the_plane(gate(mlp(mean(x, {2, 3})) + mlp(amax(x, {2, 3})), identity_start));
}
void ChannelGate::reset_parameters(RandomKey) {
  if (identity_start) start_at_zero(fc2);
}

}  // namespace ingot
