#include "base/check.h"
#include "ingot/models.h"
#include "nn/models/blocks.h"

namespace ingot {
namespace {

/// 1x1 to `expand` times the channels, 3x3 depthwise, 1x1; the input is added where the shape stays.
class InvertedResidual : public ModuleOf<InvertedResidual, AttentionBlock> {
 public:
  InvertedResidual(int64_t in, int64_t out, int64_t stride, int64_t expand, const BlockAttention& attention)
      : adds_(stride == 1 && in == out) {
    const int64_t hidden = in * expand;
    size_t number = 0;  // attention beside torchvision's layers has a name, so that theirs stay
    const auto next = [&](auto layer) { conv.add(std::to_string(number++), std::move(layer)); };
    if (expand != 1) next(conv_norm(in, hidden, {.activation = Activation::relu6}));
    const ConvNormOptions depthwise{.kernel = 3, .stride = stride, .groups = hidden, .activation = Activation::relu6};
    next(conv_norm(hidden, hidden, depthwise, attention));
    if (auto inner = attention.make(AttentionPosition::inner, {hidden, hidden}))
      conv.add("attention", std::move(inner));
    next(Conv2d(hidden, out, 1, {.bias = false}));
    next(BatchNorm2d(out));
    if (auto last = attention.make(AttentionPosition::residual, {out, out})) conv.add("attention", std::move(last));
    child("conv", conv);
    attend(attention.make(AttentionPosition::output, {out, out}), AttentionPosition::output);
  }
  Tensor forward(const Tensor& x) { return attended(AttentionPosition::output, adds_ ? x + conv(x) : conv(x)); }

  Sequential conv;

 private:
  bool adds_;
};

struct Stage {
  int64_t expand, channels, blocks, stride;
};
constexpr Stage kStages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                             {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};

// Both papers' convolutions and linear layers start alike.
void draw(Module& network, RandomKey key) {
  draw_layers(network, key, [](std::string_view, Module& layer, RandomKey own) {
    return draw_conv_fan_out(layer, own) || draw_linear_normal(layer, own, 0.01);
  });
}

constexpr BatchNormOptions kNormV3{.eps = 1e-3, .momentum = 0.01};

struct BlockV3 {
  int64_t kernel, expanded, out;
  bool squeezes;
  Activation activation;
  int64_t stride;
};
constexpr Activation kRe = Activation::relu, kHs = Activation::hardswish;
// Tables 1 and 2 of the paper.
constexpr BlockV3 kLarge[] = {{3, 16, 16, false, kRe, 1},  {3, 64, 24, false, kRe, 2},  {3, 72, 24, false, kRe, 1},
                              {5, 72, 40, true, kRe, 2},   {5, 120, 40, true, kRe, 1},  {5, 120, 40, true, kRe, 1},
                              {3, 240, 80, false, kHs, 2}, {3, 200, 80, false, kHs, 1}, {3, 184, 80, false, kHs, 1},
                              {3, 184, 80, false, kHs, 1}, {3, 480, 112, true, kHs, 1}, {3, 672, 112, true, kHs, 1},
                              {5, 672, 160, true, kHs, 2}, {5, 960, 160, true, kHs, 1}, {5, 960, 160, true, kHs, 1}};
constexpr BlockV3 kSmall[] = {{3, 16, 16, true, kRe, 2},  {3, 72, 24, false, kRe, 2}, {3, 88, 24, false, kRe, 1},
                              {5, 96, 40, true, kHs, 2},  {5, 240, 40, true, kHs, 1}, {5, 240, 40, true, kHs, 1},
                              {5, 120, 48, true, kHs, 1}, {5, 144, 48, true, kHs, 1}, {5, 288, 96, true, kHs, 2},
                              {5, 576, 96, true, kHs, 1}, {5, 576, 96, true, kHs, 1}};

class InvertedResidualV3 : public ModuleOf<InvertedResidualV3, AttentionBlock> {
 public:
  InvertedResidualV3(const InvertedResidualShape& shape, const BlockV3& b, const BlockAttention& attention)
      : block(inverted_residual(shape, b.activation, kNormV3, parts(shape.expanded, b.squeezes, attention))),
        adds_(shape.adds()) {
    child("block", block);
    attend(attention.make(AttentionPosition::output, {shape.out, shape.out}), AttentionPosition::output);
  }
  Tensor forward(const Tensor& x) { return attended(AttentionPosition::output, adds_ ? x + block(x) : block(x)); }

  Sequential block;

 private:
  /// Attention at `inner` stands in the place of squeeze and excitation, and nowhere else.
  static InvertedResidualParts parts(int64_t channels, bool squeezes, const BlockAttention& attention) {
    const auto quarter = static_cast<double>(channels / 4);
    const bool inner = attention.kind && attention.position == AttentionPosition::inner;
    InvertedResidualParts out;
    if (!inner) out.attention = attention;
    if (!squeezes) return out;
    out.squeeze = inner ? attention.make(AttentionPosition::inner, {channels, channels})
                        : std::make_unique<SqueezeExcitation>(
                              channels, round_channels(quarter),
                              SqueezeExcitationOptions{.scale_activation = Activation::hardsigmoid});
    return out;
  }

  bool adds_;
};

}  // namespace

MobileNetV2::MobileNetV2(const MobileNetV2Options& o) : MobileNetV2(o, SkipInit()) { draw_initial_values(); }

MobileNetV2::MobileNetV2(const MobileNetV2Options& o, const SkipInit&) {
  std::vector<int64_t> strides;
  for (const Stage& stage : kStages)
    for (int64_t block = 0; block < stage.blocks; ++block) strides.push_back(block == 0 ? stage.stride : 1);
  const AttentionPlan attention(o.attention, AttentionPosition::inner, strides);
  int64_t in = round_channels(32 * o.width_mult);
  features.append(conv_norm(o.in_channels, in, {.kernel = 3, .stride = 2, .activation = Activation::relu6}));
  for (const Stage& stage : kStages)
    for (int64_t block = 0; block < stage.blocks; ++block) {
      const int64_t out = round_channels(static_cast<double>(stage.channels) * o.width_mult);
      const size_t number = features.size() - 1;
      features.append(InvertedResidual(in, out, strides[number], stage.expand, attention.of(number)));
      in = out;
    }
  const int64_t last = round_channels(1280 * std::max(1.0, o.width_mult));
  features.append(conv_norm(in, last, {.activation = Activation::relu6}));
  classifier.append(Dropout(o.dropout));
  classifier.append(Linear(last, o.num_classes));
  child("features", features);
  child("classifier", classifier);
}

Tensor MobileNetV2::forward(const Tensor& x) { return classifier(flatten(adaptive_avg_pool2d(features(x), 1), 1)); }

void MobileNetV2::reset_parameters(RandomKey key) { draw(*this, key); }

MobileNetV3::MobileNetV3(const MobileNetV3Options& o) : MobileNetV3(o, SkipInit()) { draw_initial_values(); }

MobileNetV3::MobileNetV3(const MobileNetV3Options& o, const SkipInit&) : avgpool(1) {
  const auto scaled = [&](int64_t channels) { return round_channels(static_cast<double>(channels) * o.width_mult); };
  int64_t in = scaled(16);
  features.append(conv_norm(o.in_channels, in, {.kernel = 3, .stride = 2, .activation = kHs, .norm = kNormV3}));
  const auto blocks = o.small ? std::span<const BlockV3>(kSmall) : std::span<const BlockV3>(kLarge);
  std::vector<int64_t> strides;
  for (const BlockV3& b : blocks) strides.push_back(b.stride);
  const AttentionPlan attention(o.attention, AttentionPosition::inner, strides);
  for (const BlockV3& b : blocks) {
    const InvertedResidualShape shape{in, scaled(b.expanded), scaled(b.out), b.kernel, b.stride};
    features.append(InvertedResidualV3(shape, b, attention.of(features.size() - 1)));
    in = shape.out;
  }
  const int64_t last = 6 * in, hidden = scaled(o.small ? 1024 : 1280);
  features.append(conv_norm(in, last, {.activation = kHs, .norm = kNormV3}));
  classifier = Sequential(Linear(last, hidden), Hardswish(), Dropout(o.dropout), Linear(hidden, o.num_classes));
  child("features", features);
  child("avgpool", avgpool);
  child("classifier", classifier);
}

Tensor MobileNetV3::forward(const Tensor& x) { return classifier(flatten(avgpool(features(x)), 1)); }

void MobileNetV3::reset_parameters(RandomKey key) { draw(*this, key); }

}  // namespace ingot
