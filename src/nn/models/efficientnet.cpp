#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "ingot/models.h"
#include "nn/models/blocks.h"

namespace ingot {
namespace {

struct Variant {
  double width_mult, depth_mult, dropout;
  BatchNormOptions norm{};
};
constexpr BatchNormOptions kLargeNorm{.eps = 1e-3, .momentum = 0.01};
constexpr Variant kVariants[] = {{1, 1, 0.2},
                                 {1, 1.1, 0.2},
                                 {1.1, 1.2, 0.3},
                                 {1.2, 1.4, 0.3},
                                 {1.4, 1.8, 0.4},
                                 {1.6, 2.2, 0.4, kLargeNorm},
                                 {1.8, 2.6, 0.5, kLargeNorm},
                                 {2, 3.1, 0.5, kLargeNorm}};

const Variant& variant_of(const EfficientNetOptions& o) {
  CHECK(o.variant >= 0 && o.variant < static_cast<int>(std::size(kVariants)),
        "there is no EfficientNet-B{}; variants are 0 to 7", o.variant);
  return kVariants[static_cast<size_t>(o.variant)];
}

struct Stage {
  int64_t expand, kernel, stride, channels, blocks;
};
// Table 1 of the paper.
constexpr int64_t kStem = 32;
constexpr Stage kStages[] = {{1, 3, 1, 16, 1},  {6, 3, 2, 24, 2},  {6, 5, 2, 40, 2}, {6, 3, 2, 80, 3},
                             {6, 5, 1, 112, 3}, {6, 5, 2, 192, 4}, {6, 3, 1, 320, 1}};

class MBConv : public ModuleOf<MBConv> {
 public:
  MBConv(const InvertedResidualShape& shape, const BatchNormOptions& norm, double drop_path)
      : block(inverted_residual(shape, Activation::silu, norm, {.squeeze = squeeze(shape)})),
        stochastic_depth(drop_path),
        adds_(shape.adds()) {
    child("block", block);
    child("stochastic_depth", stochastic_depth);
  }
  Tensor forward(const Tensor& x) { return adds_ ? x + stochastic_depth(block(x)) : block(x); }

  Sequential block;
  DropPath stochastic_depth;

 private:
  // Squeezed to a share of the block's input, not of the expanded channels.
  static std::unique_ptr<Module> squeeze(const InvertedResidualShape& shape) {
    return std::make_unique<SqueezeExcitation>(shape.expanded, std::max<int64_t>(1, shape.in / 4),
                                               SqueezeExcitationOptions{.activation = Activation::silu});
  }

  bool adds_;
};

bool draw_linear(Module& layer, RandomKey key) {
  auto* linear = dynamic_cast<Linear*>(&layer);
  if (linear == nullptr) return false;
  const double bound = 1 / std::sqrt(static_cast<double>(linear->out_features));
  uniform_(linear->weight, -bound, bound, key);
  constant_(*linear->bias, 0);
  return true;
}

}  // namespace

EfficientNet::EfficientNet(const EfficientNetOptions& o) : EfficientNet(o, SkipInit()) { draw_initial_values(); }

EfficientNet::EfficientNet(const EfficientNetOptions& o, const SkipInit&) : avgpool(1) {
  const Variant& v = variant_of(o);
  const auto channels = [&](int64_t of_b0) { return round_channels(static_cast<double>(of_b0) * v.width_mult); };
  const auto blocks = [&](const Stage& stage) {
    return static_cast<int64_t>(std::ceil(static_cast<double>(stage.blocks) * v.depth_mult));
  };
  int64_t in = channels(kStem), total = 0, made = 0;
  for (const Stage& stage : kStages) total += blocks(stage);
  features.append(
      conv_norm(o.in_channels, in, {.kernel = 3, .stride = 2, .activation = Activation::silu, .norm = v.norm}));
  for (const Stage& stage : kStages) {
    Sequential layer;
    for (int64_t i = 0; i < blocks(stage); ++i) {
      const InvertedResidualShape shape{in, round_channels(static_cast<double>(in * stage.expand)),
                                        channels(stage.channels), stage.kernel, i == 0 ? stage.stride : 1};
      const double drop_path = o.stochastic_depth_prob * static_cast<double>(made++) / static_cast<double>(total);
      layer.append(MBConv(shape, v.norm, drop_path));
      in = shape.out;
    }
    features.append(std::move(layer));
  }
  features.append(conv_norm(in, 4 * in, {.activation = Activation::silu, .norm = v.norm}));
  classifier = Sequential(Dropout(o.dropout.value_or(v.dropout)), Linear(4 * in, o.num_classes));
  child("features", features);
  child("avgpool", avgpool);
  child("classifier", classifier);
}

Tensor EfficientNet::forward(const Tensor& x) { return classifier(flatten(avgpool(features(x)), 1)); }

void EfficientNet::reset_parameters(RandomKey key) {
  draw_layers(*this, key, [](std::string_view, Module& layer, RandomKey own) {
    return draw_conv_fan_out(layer, own) || draw_linear(layer, own);
  });
}

}  // namespace ingot
