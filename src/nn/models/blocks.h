#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "ingot/init.h"
#include "ingot/models.h"

// What several networks are made of.
namespace ingot {

/// A multiple of 8 channels, and never less than 0.9 of what was asked for: torchvision's _make_divisible.
int64_t round_channels(double channels);

struct ConvNormOptions {
  int64_t kernel = 1, stride = 1, groups = 1;
  Activation activation = Activation::none;
  BatchNormOptions norm{};
};
/// Conv2d without bias, padded so that stride 1 keeps the plane, BatchNorm2d and the activation: torchvision's
/// Conv2dNormActivation. Attention at `conv` takes the convolution's place.
Sequential conv_norm(int64_t in, int64_t out, const ConvNormOptions& options, const BlockAttention& attention = {});

struct InvertedResidualShape {
  int64_t in, expanded, out, kernel, stride;
  /// Whether x is added to what the block makes of it.
  bool adds() const { return stride == 1 && in == out; }
};
struct InvertedResidualParts {
  std::unique_ptr<Module> squeeze;  // after the depthwise convolution, where it is given
  BlockAttention attention;         // but at `output`, which is not in the branch
};
/// A block that is widest within: 1x1 to the expanded channels, where they differ; depthwise; 1x1 without activation.
/// Sandler et al. 2018, in the later form of MobileNet v3 and EfficientNet.
Sequential inverted_residual(const InvertedResidualShape& shape, Activation activation, const BatchNormOptions& norm,
                             InvertedResidualParts parts);

/// Deals a network's attention out to its blocks.
class AttentionPlan {
 public:
  /// `usual`: where the network's blocks take a module that stands in no convolution's place; `strides` of its blocks:
  /// where one is not 1, a stage begins. Throws Error for a stage that is not there, or a position that the kind cannot
  /// take.
  AttentionPlan(const std::optional<AttentionOptions>& options, AttentionPosition usual, std::vector<int64_t> strides);
  BlockAttention of(size_t block) const;

 private:
  std::optional<AttentionOptions> options_;
  AttentionPosition position_ = AttentionPosition::residual;
  std::vector<int64_t> stage_of_;  // by block
};

/// Conv2d without bias, BatchNorm2d with eps 1e-3, ReLU, as in both Inception networks.
class BasicConv2d : public ModuleOf<BasicConv2d> {
 public:
  BasicConv2d(int64_t in, int64_t out, Pair kernel, Pair stride = 1, Pads padding = 0);
  Tensor forward(const Tensor& x) { return norm_relu(bn, relu_, conv(x)); }

  Conv2d conv;
  BatchNorm2d bn;

 private:
  ReLU relu_;  // has no name in torchvision either
};

/// Runs a network's children one after another, from one name to another.
Tensor run_children(Module& network, const Tensor& x, std::string_view first, std::string_view last);

/// Images of ImageNet's usual normalisation with that of the first Inception networks, (x - 0.5) / 0.5. x [N,3,H,W].
Tensor renormalized(const Tensor& x);

/// Draws one layer and returns true, or leaves it to its own rule.
using LayerRule = std::function<bool(std::string_view name, Module& layer, RandomKey key)>;
/// Draws all layers of a network by `rule`; one that draws its children, as attention does, after them.
void draw_layers(Module& network, RandomKey key, const LayerRule& rule);
/// For a convolution: Kaiming's normal values (fan_out, relu), bias 0.
bool draw_conv_fan_out(Module& layer, RandomKey key);
/// For a linear layer: N(0, std), bias 0.
bool draw_linear_normal(Module& layer, RandomKey key, double std);
/// For a convolution or linear layer: N(0, std) within -2 and 2; the bias by the layer's own rule.
bool draw_trunc_normal(Module& layer, RandomKey key, double std);

}  // namespace ingot
