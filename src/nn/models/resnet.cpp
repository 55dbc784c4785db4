#include <numeric>

#include "base/check.h"
#include "ingot/init.h"
#include "ingot/models.h"
#include "nn/models/blocks.h"

namespace ingot {
namespace {

struct Depth {
  bool bottleneck;
  std::array<int, 4> blocks;
};

Depth depth_of(int depth) {
  switch (depth) {
    case 18:
      return {false, {2, 2, 2, 2}};
    case 34:
      return {false, {3, 4, 6, 3}};
    case 50:
      return {true, {3, 4, 6, 3}};
    case 101:
      return {true, {3, 4, 23, 3}};
    case 152:
      return {true, {3, 8, 36, 3}};
    default:
      fail("there is no ResNet of depth {}; depths are 18, 34, 50, 101 and 152", depth);
  }
}

constexpr int64_t kStem = 64;

Conv2d conv1x1(int64_t in, int64_t out, int64_t stride = 1) { return {in, out, 1, {.stride = stride, .bias = false}}; }
Conv2d conv3x3(int64_t in, int64_t out, int64_t stride = 1, int64_t groups = 1) {
  return {in, out, 3, {.stride = stride, .padding = 1, .groups = groups, .bias = false}};
}
// The bottleneck's inner channels.
int64_t inner(int64_t width, int64_t groups, int64_t width_per_group) {
  return width * width_per_group / kStem * groups;
}

// The shortcut has parameters where its shape changes.
std::optional<Sequential> make_downsample(int64_t in, int64_t out, int64_t stride) {
  if (stride == 1 && in == out) return std::nullopt;
  return Sequential(conv1x1(in, out, stride), BatchNorm2d(out));
}

/// The strides of all blocks: the plane halves with each stage but the first.
std::vector<int64_t> strides_of(const Depth& depth) {
  std::vector<int64_t> strides;
  for (size_t stage = 0; stage < depth.blocks.size(); ++stage)
    for (int block = 0; block < depth.blocks[stage]; ++block) strides.push_back(stage > 0 && block == 0 ? 2 : 1);
  return strides;
}

/// Stage 0 to 3: the width doubles from one to the next.
Sequential make_layer(const ResNetOptions& o, size_t stage) {
  const Depth depth = depth_of(o.depth);
  const std::vector<int64_t> strides = strides_of(depth);
  const AttentionPlan attention(o.attention, AttentionPosition::residual, strides);
  const int64_t expansion = depth.bottleneck ? Bottleneck::kExpansion : BasicBlock::kExpansion;
  const int64_t width = kStem << stage;
  auto number = static_cast<size_t>(std::accumulate(depth.blocks.begin(), depth.blocks.begin() + stage, 0));
  int64_t in = stage == 0 ? kStem : width / 2 * expansion;
  Sequential layer;
  for (int block = 0; block < depth.blocks[stage]; ++block, ++number, in = width * expansion) {
    const BlockAttention held = attention.of(number);
    if (depth.bottleneck)
      layer.append(Bottleneck(in, width, strides[number], {o.groups, o.width_per_group, held}));
    else
      layer.append(BasicBlock(in, width, strides[number], held));
  }
  return layer;
}

int64_t features_of(const Depth& depth) {
  return (kStem << 3) * (depth.bottleneck ? Bottleneck::kExpansion : BasicBlock::kExpansion);
}

}  // namespace

BasicBlock::BasicBlock(int64_t in, int64_t width, int64_t stride, const BlockAttention& attention)
    : conv2(conv3x3(width, width)), bn2(width), downsample(make_downsample(in, width, stride)) {
  if (auto instead = attention.make(AttentionPosition::conv, {in, width, stride}))
    attend(std::move(instead), AttentionPosition::conv);
  else
    child("conv1", conv1.emplace(conv3x3(in, width, stride)));
  if (conv1 || !replaces_norm(*attention.kind)) child("bn1", bn1.emplace(width));
  child("relu", relu);
  child("conv2", conv2);
  child("bn2", bn2);
  if (downsample) child("downsample", *downsample);
  for (const auto here : {AttentionPosition::inner, AttentionPosition::residual, AttentionPosition::output})
    attend(attention.make(here, {width, width}), here);
}

Tensor BasicBlock::forward(const Tensor& x) {
  const Tensor shortcut = downsample ? (*downsample)(x) : x;
  Tensor y = conv1 ? (*conv1)(x) : attended(AttentionPosition::conv, x);
  if (bn1) y = norm_relu(*bn1, relu, y);
  return finish(bn2, relu, conv2(attended(AttentionPosition::inner, y)), shortcut);
}

Bottleneck::Bottleneck(int64_t in, int64_t width, int64_t stride, const BottleneckOptions& o)
    : conv1(conv1x1(in, inner(width, o.groups, o.width_per_group))),
      bn1(conv1.out_channels),
      conv3(conv1x1(conv1.out_channels, width * kExpansion)),
      bn3(width * kExpansion),
      downsample(make_downsample(in, width * kExpansion, stride)) {
  const int64_t wide = conv1.out_channels, out = width * kExpansion;
  child("conv1", conv1);
  child("bn1", bn1);
  if (auto instead = o.attention.make(AttentionPosition::conv, {wide, wide, stride, o.groups}))
    attend(std::move(instead), AttentionPosition::conv);
  else
    child("conv2", conv2.emplace(conv3x3(wide, wide, stride, o.groups)));
  if (conv2 || !replaces_norm(*o.attention.kind)) child("bn2", bn2.emplace(wide));
  child("conv3", conv3);
  child("bn3", bn3);
  child("relu", relu);
  if (downsample) child("downsample", *downsample);
  attend(o.attention.make(AttentionPosition::inner, {wide, wide}), AttentionPosition::inner);
  for (const auto here : {AttentionPosition::residual, AttentionPosition::output})
    attend(o.attention.make(here, {out, out}), here);
}

Tensor Bottleneck::forward(const Tensor& x) {
  const Tensor shortcut = downsample ? (*downsample)(x) : x;
  Tensor y = norm_relu(bn1, relu, conv1(x));
  y = conv2 ? (*conv2)(y) : attended(AttentionPosition::conv, y);
  if (bn2) y = norm_relu(*bn2, relu, y);
  return finish(bn3, relu, conv3(attended(AttentionPosition::inner, y)), shortcut);
}

ResNet::ResNet(const ResNetOptions& o) : ResNet(o, SkipInit()) {
  CHECK(depth_of(o.depth).bottleneck || (o.groups == 1 && o.width_per_group == 64),
        "groups and width_per_group are for bottlenecks, from depth 50");
  draw_initial_values();
}

ResNet::ResNet(const ResNetOptions& o, const SkipInit&)
    : options(o),
      conv1(o.in_channels, kStem, 7, {.stride = 2, .padding = 3, .bias = false}),
      bn1(kStem),
      maxpool({.kernel = 3, .stride = 2, .padding = 1}),
      layer1(make_layer(o, 0)),
      layer2(make_layer(o, 1)),
      layer3(make_layer(o, 2)),
      layer4(make_layer(o, 3)),
      avgpool(1),
      fc(features_of(depth_of(o.depth)), o.num_classes) {
  child("conv1", conv1);
  child("bn1", bn1);
  child("relu", relu);
  child("maxpool", maxpool);
  child("layer1", layer1);
  child("layer2", layer2);
  child("layer3", layer3);
  child("layer4", layer4);
  child("avgpool", avgpool);
  child("fc", fc);
}

Tensor ResNet::forward(const Tensor& x) {
  Tensor y = maxpool(norm_relu(bn1, relu, conv1(x)));
  y = layer4(layer3(layer2(layer1(y))));
  return fc(flatten(avgpool(y), 1));
}

void ResNet::reset_parameters(RandomKey key) {
  draw_layers(*this, key, [](std::string_view, Module& layer, RandomKey own) { return draw_conv_fan_out(layer, own); });
  if (!options.zero_init_residual) return;
  for (Module* module : modules()) {
    if (auto* block = dynamic_cast<BasicBlock*>(module)) constant_(*block->bn2.weight, 0);
    if (auto* block = dynamic_cast<Bottleneck*>(module)) constant_(*block->bn3.weight, 0);
  }
}

}  // namespace ingot
