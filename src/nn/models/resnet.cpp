#include "base/check.h"
#include "ingot/init.h"
#include "ingot/models.h"

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

template <class Block, class... Options>
Sequential make_blocks(int64_t in, int64_t width, int blocks, int64_t stride, Options... options) {
  Sequential layer;
  layer.append(Block(in, width, stride, options...));
  for (int i = 1; i < blocks; ++i) layer.append(Block(width * Block::kExpansion, width, 1, options...));
  return layer;
}

/// Stage 0 to 3: the width doubles and the plane halves from one to the next.
Sequential make_layer(const ResNetOptions& o, size_t stage) {
  const Depth depth = depth_of(o.depth);
  const int64_t expansion = depth.bottleneck ? Bottleneck::kExpansion : BasicBlock::kExpansion;
  const int64_t width = kStem << stage;
  const int64_t in = stage == 0 ? kStem : width / 2 * expansion;
  const int64_t stride = stage == 0 ? 1 : 2;
  return depth.bottleneck ? make_blocks<Bottleneck>(in, width, depth.blocks[stage], stride, o.groups, o.width_per_group)
                          : make_blocks<BasicBlock>(in, width, depth.blocks[stage], stride);
}

int64_t features_of(const Depth& depth) {
  return (kStem << 3) * (depth.bottleneck ? Bottleneck::kExpansion : BasicBlock::kExpansion);
}

}  // namespace

BasicBlock::BasicBlock(int64_t in, int64_t width, int64_t stride)
    : conv1(conv3x3(in, width, stride)),
      bn1(width),
      conv2(conv3x3(width, width)),
      bn2(width),
      downsample(make_downsample(in, width, stride)) {
  child("conv1", conv1);
  child("bn1", bn1);
  child("relu", relu);
  child("conv2", conv2);
  child("bn2", bn2);
  if (downsample) child("downsample", *downsample);
}

Tensor BasicBlock::forward(const Tensor& x) {
  const Tensor shortcut = downsample ? (*downsample)(x) : x;
  const Tensor y = norm_relu(bn1, relu, conv1(x));
  return norm_relu(bn2, relu, conv2(y), shortcut);
}

Bottleneck::Bottleneck(int64_t in, int64_t width, int64_t stride, int64_t groups, int64_t per_group)
    : conv1(conv1x1(in, inner(width, groups, per_group))),
      bn1(inner(width, groups, per_group)),
      conv2(conv3x3(inner(width, groups, per_group), inner(width, groups, per_group), stride, groups)),
      bn2(inner(width, groups, per_group)),
      conv3(conv1x1(inner(width, groups, per_group), width * kExpansion)),
      bn3(width * kExpansion),
      downsample(make_downsample(in, width * kExpansion, stride)) {
  child("conv1", conv1);
  child("bn1", bn1);
  child("conv2", conv2);
  child("bn2", bn2);
  child("conv3", conv3);
  child("bn3", bn3);
  child("relu", relu);
  if (downsample) child("downsample", *downsample);
}

Tensor Bottleneck::forward(const Tensor& x) {
  const Tensor shortcut = downsample ? (*downsample)(x) : x;
  Tensor y = norm_relu(bn1, relu, conv1(x));
  y = norm_relu(bn2, relu, conv2(y));
  return norm_relu(bn3, relu, conv3(y), shortcut);
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
  for (const auto& [name, module] : named_modules()) {
    const RandomKey own = parameter_key(key, name);
    if (auto* conv = dynamic_cast<Conv2d*>(module))
      kaiming_normal_(conv->weight, {.mode = FanMode::fan_out, .nonlinearity = "relu"}, own);
    else if (module != this)
      module->reset_parameters(own);
  }
  if (!options.zero_init_residual) return;
  for (Module* module : modules()) {
    if (auto* block = dynamic_cast<BasicBlock*>(module)) constant_(*block->bn2.weight, 0);
    if (auto* block = dynamic_cast<Bottleneck*>(module)) constant_(*block->bn3.weight, 0);
  }
}

}  // namespace ingot
