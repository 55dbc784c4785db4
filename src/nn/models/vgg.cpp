#include "base/check.h"
#include "ingot/models.h"
#include "nn/models/blocks.h"

namespace ingot {
namespace {

/// Convolutions in each of the five stages; a stage ends with a pool. Table 1 of the paper, columns A, B, D, E.
std::vector<int> convs_of_stages(int depth) {
  switch (depth) {
    case 11:
      return {1, 1, 2, 2, 2};
    case 13:
      return {2, 2, 2, 2, 2};
    case 16:
      return {2, 2, 3, 3, 3};
    case 19:
      return {2, 2, 4, 4, 4};
    default:
      fail("there is no VGG of depth {}; depths are 11, 13, 16 and 19", depth);
  }
}

constexpr int64_t kStageWidths[] = {64, 128, 256, 512, 512};
constexpr int64_t kPlane = 7, kHidden = 4096;

Sequential make_features(const VggOptions& options) {
  Sequential features;
  int64_t in = options.in_channels;
  const std::vector<int> convs = convs_of_stages(options.depth);
  for (size_t stage = 0; stage < convs.size(); ++stage) {
    const int64_t width = kStageWidths[stage];
    for (int i = 0; i < convs[stage]; ++i) {
      features.append(Conv2d(in, width, 3, {.padding = 1}));
      if (options.batch_norm) features.append(BatchNorm2d(width));
      features.append(ReLU());
      in = width;
    }
    features.append(MaxPool2d({.kernel = 2}));
  }
  return features;
}

}  // namespace

VGG::VGG(const VggOptions& o) : VGG(o, SkipInit()) { draw_initial_values(); }

VGG::VGG(const VggOptions& o, const SkipInit&)
    : features(make_features(o)),
      avgpool(kPlane),
      classifier(Linear(kStageWidths[4] * kPlane * kPlane, kHidden), ReLU(), Dropout(o.dropout),
                 Linear(kHidden, kHidden), ReLU(), Dropout(o.dropout), Linear(kHidden, o.num_classes)) {
  child("features", features);
  child("avgpool", avgpool);
  child("classifier", classifier);
}

Tensor VGG::forward(const Tensor& x) { return classifier(flatten(avgpool(features(x)), 1)); }

void VGG::reset_parameters(RandomKey key) {
  draw_layers(*this, key, [](std::string_view, Module& layer, RandomKey own) {
    return draw_conv_fan_out(layer, own) || draw_linear_normal(layer, own, 0.01);
  });
}

}  // namespace ingot
