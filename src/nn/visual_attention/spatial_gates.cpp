#include <algorithm>

#include "nn/text.h"
#include "nn/visual_attention/parts.h"

namespace ingot {

SpatialGate::SpatialGate(const SpatialGateOptions& o)
    : options(o),
      conv([&] {
        require_odd("SpatialGate", o.kernel_size);
        return Conv2d(2, 1, o.kernel_size, {.padding = o.kernel_size / 2, .bias = false});
      }()),
      bn(1, {.momentum = 0.01}) {
  child("conv", conv);
  child("bn", bn);
  draw_initial_values();
}
Tensor SpatialGate::forward(const Tensor& x) {
  require_planes("SpatialGate", x);
  const Tensor pooled = concat({amax(x, {1}, true), mean(x, {1}, true)}, 1);
  return x * gate(bn(conv(pooled)), options.identity_start);
}
// The norm's scale, not the convolution: that would leave it a plane of zeros to divide by its deviation.
void SpatialGate::reset_parameters(RandomKey) {
  if (options.identity_start) fill(*bn.weight, 0);
}

TripletAttention::TripletAttention(const TripletAttentionOptions& o)
    : channel_height({o.kernel_size, o.identity_start}),
      channel_width(channel_height.options),
      spatial(channel_height.options) {
  child("channel_height", channel_height);
  child("channel_width", channel_width);
  child("spatial", spatial);
}
Tensor TripletAttention::forward(const Tensor& x) {
  require_planes("TripletAttention", x);
  const Tensor height = transpose(channel_height(transpose(x, 1, 2)), 1, 2);
  const Tensor width = transpose(channel_width(transpose(x, 1, 3)), 1, 3);
  return (height + width + spatial(x)) / 3.0;
}

SimAM::SimAM(double l) : lambda(l) {
  require(l > 0, "SimAM", "lambda is {}, it must be positive: a plane of one colour has no variance", l);
}
Tensor SimAM::forward(const Tensor& x) const {
  require_planes("SimAM", x);
  const Tensor distance = square(x - mean(x, {2, 3}, true));
  return x * sigmoid(distance / (4.0 * (var(x, {2, 3}, 1, true) + lambda)) + 0.5);
}
std::string SimAM::extra_repr() const { return "lambda=" + python_text(lambda); }

CBAM::CBAM(int64_t channels, const CBAMOptions& o)
    : channel(channels, o.reduction, o.identity_start),
      spatial({.kernel_size = o.kernel_size, .identity_start = o.identity_start}) {
  child("channel", channel);
  child("spatial", spatial);
}
Tensor CBAM::forward(const Tensor& x) { return spatial(channel(x)); }

BAM::BAM(int64_t channels, const BAMOptions& o) : options(o) {
  const int64_t h = reduced("BAM", channels, o.reduction);
  require(o.dilation > 0, "BAM", "dilation is {}, it must be positive", o.dilation);
  channel = Sequential(Linear(channels, h), BatchNorm1d(h), ReLU(), Linear(h, channels));
  spatial = Sequential(Conv2d(channels, h, 1), BatchNorm2d(h), ReLU());
  for (int i = 0; i < 2; ++i) {
    spatial.append(Conv2d(h, h, 3, {.padding = o.dilation, .dilation = o.dilation}));
    spatial.append(BatchNorm2d(h));
    spatial.append(ReLU());
  }
  spatial.append(Conv2d(h, 1, 1));
  child("channel", channel);
  child("spatial", spatial);
  draw_initial_values();
}
Tensor BAM::forward(const Tensor& x) {
  require_planes("BAM", x);
  const Tensor attention = over_the_plane(channel(mean(x, {2, 3}))) + spatial(x);
  return x * (options.identity_start ? gate(attention, true) : 1.0 + sigmoid(attention));
}
void BAM::reset_parameters(RandomKey) {
  if (!options.identity_start) return;
  start_at_zero(channel.get<Linear>(-1));
  start_at_zero(spatial.get<Conv2d>(-1));
}

CoordAttention::CoordAttention(int64_t channels, const CoordAttentionOptions& o)
    : options(o),
      conv1(channels, std::max<int64_t>(8, channels / std::max<int64_t>(1, o.reduction)), 1),
      bn1(conv1.out_channels),
      conv_h(conv1.out_channels, channels, 1),
      conv_w(conv1.out_channels, channels, 1) {
  require(o.reduction > 0, "CoordAttention", "reduction is {}, it must be positive", o.reduction);
  child("conv1", conv1);
  child("bn1", bn1);
  child("act", act);
  child("conv_h", conv_h);
  child("conv_w", conv_w);
  draw_initial_values();
}
Tensor CoordAttention::forward(const Tensor& x) {
  require_planes("CoordAttention", x);
  const int64_t height = x.size(2), width = x.size(3);
  const Tensor rows = mean(x, {3}, true), columns = transpose(mean(x, {2}, true), 2, 3);  // [N,C,H,1], [N,C,W,1]
  const Tensor both = act(bn1(conv1(concat({rows, columns}, 2))));
  const Tensor by_row = conv_h(slice(both, 2, 0, height));
  const Tensor by_column = conv_w(transpose(slice(both, 2, height, height + width), 2, 3));
  return x * gate(by_row, options.identity_start) * gate(by_column, options.identity_start);
}
void CoordAttention::reset_parameters(RandomKey) {
  if (!options.identity_start) return;
  start_at_zero(conv_h);
  start_at_zero(conv_w);
}

}  // namespace ingot
