#include <algorithm>
#include <array>

#include "base/check.h"
#include "ingot/models.h"
#include "nn/dropout.h"
#include "nn/models/blocks.h"

namespace ingot {
namespace {

struct DepthShape {
  int depth;
  int64_t growth, stem;
  std::array<int64_t, 4> layers;  // of each block
};
// Table 1 of the paper; 161 is wider.
constexpr DepthShape kDepths[] = {{121, 32, 64, {6, 12, 24, 16}},
                                  {161, 48, 96, {6, 12, 36, 24}},
                                  {169, 32, 64, {6, 12, 32, 32}},
                                  {201, 32, 64, {6, 12, 48, 32}}};
constexpr int64_t kBottleneck = 4;  // times the growth

const DepthShape& shape_of_depth(int depth) {
  for (const DepthShape& shape : kDepths)
    if (shape.depth == depth) return shape;
  fail("there is no DenseNet of depth {}; depths are 121, 161, 169 and 201", depth);
}

/// norm, ReLU, 1x1, norm, ReLU, 3x3: the channels that a layer adds.
class DenseLayer : public ModuleOf<DenseLayer> {
 public:
  DenseLayer(int64_t in, int64_t growth, double drop_rate)
      : norm1(in),
        conv1(in, kBottleneck * growth, 1, {.bias = false}),
        norm2(kBottleneck * growth),
        conv2(kBottleneck * growth, growth, 3, {.padding = 1, .bias = false}),
        drop_rate_(drop_rate) {
    child("norm1", norm1);
    child("relu1", relu1);
    child("conv1", conv1);
    child("norm2", norm2);
    child("relu2", relu2);
    child("conv2", conv2);
  }
  Tensor forward(const Tensor& x) {
    const Tensor y = conv2(norm_relu(norm2, relu2, conv1(norm_relu(norm1, relu1, x))));
    return dropout_here(y, is_training() ? drop_rate_ : 0);
  }

  BatchNorm2d norm1;
  ReLU relu1;
  Conv2d conv1;
  BatchNorm2d norm2;
  ReLU relu2;
  Conv2d conv2;

 private:
  double drop_rate_;
};

/// Layers that each see all channels before them and add their own at the end.
class DenseBlock : public ModuleOf<DenseBlock, Container> {
 public:
  DenseBlock(int64_t layers, int64_t in, int64_t growth, double drop_rate) {
    for (int64_t i = 0; i < layers; ++i)
      own(fmt::format("denselayer{}", i + 1), std::make_unique<DenseLayer>(in + i * growth, growth, drop_rate));
  }
  Tensor forward(const Tensor& x) {
    Tensor y = x;
    for (size_t i = 0; i < size(); ++i) y = concat({y, child_at(i)->call({y})[0]}, 1);
    return y;
  }
};

Sequential transition(int64_t in) {
  Sequential layers;
  layers.add("norm", BatchNorm2d(in));
  layers.add("relu", ReLU());
  layers.add("conv", Conv2d(in, in / 2, 1, {.bias = false}));
  layers.add("pool", AvgPool2d({.kernel = 2}));
  return layers;
}

Sequential make_features(const DenseNetOptions& o) {
  const DepthShape& shape = shape_of_depth(o.depth);
  Sequential features;
  int64_t in = shape.stem;
  features.add("conv0", Conv2d(o.in_channels, in, 7, {.stride = 2, .padding = 3, .bias = false}));
  features.add("norm0", BatchNorm2d(in));
  features.add("relu0", ReLU());
  features.add("pool0", MaxPool2d({.kernel = 3, .stride = 2, .padding = 1}));
  for (size_t i = 0; i < shape.layers.size(); ++i) {
    features.add(fmt::format("denseblock{}", i + 1), DenseBlock(shape.layers[i], in, shape.growth, o.drop_rate));
    in += shape.layers[i] * shape.growth;
    if (i + 1 == shape.layers.size()) break;
    features.add(fmt::format("transition{}", i + 1), transition(in));
    in /= 2;
  }
  features.add("norm5", BatchNorm2d(in));
  return features;
}

}  // namespace

DenseNet::DenseNet(const DenseNetOptions& o) : DenseNet(o, SkipInit()) { draw_initial_values(); }

DenseNet::DenseNet(const DenseNetOptions& o, const SkipInit&)
    : features(make_features(o)), classifier(features.get<BatchNorm2d>(-1).num_features, o.num_classes) {
  child("features", features);
  child("classifier", classifier);
}

Tensor DenseNet::forward(const Tensor& x) { return classifier(flatten(adaptive_avg_pool2d(relu(features(x)), 1), 1)); }

void DenseNet::reset_parameters(RandomKey key) {
  draw_layers(*this, key, [](std::string_view, Module& layer, RandomKey own) {
    if (auto* conv = dynamic_cast<Conv2d*>(&layer)) {
      kaiming_normal_(conv->weight, {}, own);
      return true;
    }
    auto* linear = dynamic_cast<Linear*>(&layer);
    if (linear == nullptr) return false;
    linear->reset_parameters(own);
    constant_(*linear->bias, 0);
    return true;
  });
}

}  // namespace ingot
