#include "base/check.h"
#include "ingot/models.h"
#include "nn/models/blocks.h"

namespace ingot {
namespace {

constexpr int64_t kStem = 16;
constexpr int kLayersOfBlocks = 6, kLayersBeside = 2;  // of a block in each stage; stem and classifier

Sequential make_layer(int depth, int64_t in, int64_t width) {
  Sequential layer;
  for (int block = 0; block < (depth - kLayersBeside) / kLayersOfBlocks; ++block)
    layer.append(BasicBlock(block == 0 ? in : width, width, block == 0 ? width / in : 1));
  return layer;
}

}  // namespace

CifarResNet::CifarResNet(const CifarResNetOptions& o) : CifarResNet(o, SkipInit()) {
  CHECK(o.depth > kLayersBeside && (o.depth - kLayersBeside) % kLayersOfBlocks == 0,
        "there is no such ResNet of depth {}; depths are 6 n + 2, as 20 and 56", o.depth);
  draw_initial_values();
}

CifarResNet::CifarResNet(const CifarResNetOptions& o, const SkipInit&)
    : options(o),
      conv1(o.in_channels, kStem, 3, {.padding = 1, .bias = false}),
      bn1(kStem),
      layer1(make_layer(o.depth, kStem, kStem)),
      layer2(make_layer(o.depth, kStem, 2 * kStem)),
      layer3(make_layer(o.depth, 2 * kStem, 4 * kStem)),
      avgpool(1),
      fc(4 * kStem, o.num_classes) {
  child("conv1", conv1);
  child("bn1", bn1);
  child("relu", relu);
  child("layer1", layer1);
  child("layer2", layer2);
  child("layer3", layer3);
  child("avgpool", avgpool);
  child("fc", fc);
}

Tensor CifarResNet::forward(const Tensor& x) {
  const Tensor y = layer3(layer2(layer1(norm_relu(bn1, relu, conv1(x)))));
  return fc(flatten(avgpool(y), 1));
}

void CifarResNet::reset_parameters(RandomKey key) {
  draw_layers(*this, key, [](std::string_view, Module& layer, RandomKey own) { return draw_conv_fan_out(layer, own); });
}

}  // namespace ingot
