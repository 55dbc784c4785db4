#include "ingot/init.h"
#include "ingot/models.h"

namespace ingot {
namespace {

// Channels are multiples of 8, and never less than 0.9 of what was asked for.
int64_t rounded(double channels) {
  const auto nearest = std::max<int64_t>(8, static_cast<int64_t>(channels + 4) / 8 * 8);
  return static_cast<double>(nearest) < 0.9 * channels ? nearest + 8 : nearest;
}

Sequential conv_norm_relu6(int64_t in, int64_t out, int64_t kernel, int64_t stride = 1, int64_t groups = 1) {
  return Sequential(
      Conv2d(in, out, kernel, {.stride = stride, .padding = (kernel - 1) / 2, .groups = groups, .bias = false}),
      BatchNorm2d(out), ReLU6());
}

/// 1x1 to `expand` times the channels, 3x3 depthwise, 1x1; the input is added where the shape stays.
class InvertedResidual : public ModuleOf<InvertedResidual> {
 public:
  InvertedResidual(int64_t in, int64_t out, int64_t stride, int64_t expand) : adds_(stride == 1 && in == out) {
    const int64_t hidden = in * expand;
    if (expand != 1) conv.append(conv_norm_relu6(in, hidden, 1));
    conv.append(conv_norm_relu6(hidden, hidden, 3, stride, hidden));
    conv.append(Conv2d(hidden, out, 1, {.bias = false}));
    conv.append(BatchNorm2d(out));
    child("conv", conv);
  }
  Tensor forward(const Tensor& x) { return adds_ ? x + conv(x) : conv(x); }

  Sequential conv;

 private:
  bool adds_;
};

struct Stage {
  int64_t expand, channels, blocks, stride;
};
constexpr Stage kStages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                             {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};

}  // namespace

MobileNetV2::MobileNetV2(const MobileNetV2Options& o) : MobileNetV2(o, SkipInit()) { draw_initial_values(); }

MobileNetV2::MobileNetV2(const MobileNetV2Options& o, const SkipInit&) {
  int64_t in = rounded(32 * o.width_mult);
  features.append(conv_norm_relu6(o.in_channels, in, 3, 2));
  for (const Stage& stage : kStages)
    for (int64_t block = 0; block < stage.blocks; ++block) {
      const int64_t out = rounded(static_cast<double>(stage.channels) * o.width_mult);
      features.append(InvertedResidual(in, out, block == 0 ? stage.stride : 1, stage.expand));
      in = out;
    }
  const int64_t last = rounded(1280 * std::max(1.0, o.width_mult));
  features.append(conv_norm_relu6(in, last, 1));
  classifier.append(Dropout(o.dropout));
  classifier.append(Linear(last, o.num_classes));
  child("features", features);
  child("classifier", classifier);
}

Tensor MobileNetV2::forward(const Tensor& x) { return classifier(flatten(adaptive_avg_pool2d(features(x), 1), 1)); }

void MobileNetV2::reset_parameters(RandomKey key) {
  for (const auto& [name, module] : named_modules()) {
    const RandomKey own = parameter_key(key, name);
    if (auto* conv = dynamic_cast<Conv2d*>(module)) {
      kaiming_normal_(conv->weight, {.mode = FanMode::fan_out}, own);
    } else if (auto* linear = dynamic_cast<Linear*>(module)) {
      normal_(linear->weight, 0, 0.01, own);
      constant_(*linear->bias, 0);
    } else if (module != this) {
      module->reset_parameters(own);
    }
  }
}

}  // namespace ingot
