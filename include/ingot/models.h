#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ingot/nn.h"

// Networks, with torchvision's parameter names, order and initial values where torchvision has them.
namespace ingot {

struct LeNetOptions {
  int64_t num_classes = 10;
  int64_t in_channels = 1;
};
/// LeNet-5 for x [N,C,28,28], with ReLU and max pooling: conv6-pool, conv16-pool, fc120, fc84, fc. 61,706 parameters.
/// LeCun et al. 1998.
class LeNet : public ModuleOf<LeNet> {
 public:
  explicit LeNet(const LeNetOptions& options = {});
  Tensor forward(const Tensor& x);

  Conv2d conv1, conv2;
  ReLU relu;
  MaxPool2d pool;
  Linear fc1, fc2, fc3;
};

struct SmallCnnOptions {
  int64_t num_classes = 10;
  int64_t in_channels = 1;
  int64_t image_size = 28;  // height and width of x
  int64_t conv1 = 32, conv2 = 64, hidden = 128;
  double dropout = 0;  // before the last layer
};
/// conv-BN-ReLU-pool twice (3x3), fc-ReLU, dropout, fc: x [N,C,S,S] -> scores [N,classes]. For Fashion-MNIST and such.
class SmallCnn : public ModuleOf<SmallCnn> {
 public:
  explicit SmallCnn(const SmallCnnOptions& options = {});
  Tensor forward(const Tensor& x);

  Conv2d conv1;
  BatchNorm2d bn1;
  Conv2d conv2;
  BatchNorm2d bn2;
  ReLU relu;
  MaxPool2d pool;
  Linear fc1;
  Dropout dropout;
  Linear fc2;
};

struct VggOptions {
  int depth = 16;  // 11, 13, 16 or 19
  bool batch_norm = false;
  int64_t num_classes = 1000;
  int64_t in_channels = 3;
  double dropout = 0.5;
};
/// Simonyan & Zisserman 2014, x [N,3,224,224]. Convolutions start with Kaiming's normal values (fan_out, relu), linear
/// layers with N(0, 0.01), biases with 0. VGG-16 has 138,357,544 parameters.
class VGG : public ModuleOf<VGG> {
 public:
  explicit VGG(const VggOptions& options = {});
  Tensor forward(const Tensor& x);
  void reset_parameters(RandomKey key) override;
  bool resets_children() const override { return true; }

  Sequential features;
  AdaptiveAvgPool2d avgpool;
  Sequential classifier;

 private:
  VGG(const VggOptions& options, const SkipInit&);  // with undrawn layers
};

/// Two 3x3 convolutions around which the input is added; ResNet 18 and 34.
class BasicBlock : public ModuleOf<BasicBlock> {
 public:
  static constexpr int64_t kExpansion = 1;
  BasicBlock(int64_t in_channels, int64_t width, int64_t stride);
  Tensor forward(const Tensor& x);

  Conv2d conv1;
  BatchNorm2d bn1;
  ReLU relu;
  Conv2d conv2;
  BatchNorm2d bn2;
  std::optional<Sequential> downsample;
};

/// 1x1, 3x3 (with the stride, as in torchvision), 1x1 to four times the width; ResNet 50, 101 and 152. The 3x3 has
/// width / 64 * width_per_group * groups channels: more than one group makes a ResNeXt of it, wider ones a Wide-ResNet.
class Bottleneck : public ModuleOf<Bottleneck> {
 public:
  static constexpr int64_t kExpansion = 4;
  Bottleneck(int64_t in_channels, int64_t width, int64_t stride, int64_t groups = 1, int64_t width_per_group = 64);
  Tensor forward(const Tensor& x);

  Conv2d conv1;
  BatchNorm2d bn1;
  Conv2d conv2;
  BatchNorm2d bn2;
  Conv2d conv3;
  BatchNorm2d bn3;
  ReLU relu;
  std::optional<Sequential> downsample;
};

struct ResNetOptions {
  int depth = 50;  // 18, 34, 50, 101 or 152
  int64_t num_classes = 1000;
  int64_t in_channels = 3;
  int64_t groups = 1, width_per_group = 64;  // of the 3x3 convolutions; for bottlenecks only
  bool zero_init_residual = false;  // the last norm of each block starts at 0, so that blocks start as the identity
};
/// He et al. 2015, x [N,3,H,W]; ResNeXt: Xie et al. 2016; Wide-ResNet: Zagoruyko & Komodakis 2016. Convolutions start
/// with Kaiming's normal values (fan_out, relu). ResNet-50 has 25,557,032 parameters.
class ResNet : public ModuleOf<ResNet> {
 public:
  explicit ResNet(const ResNetOptions& options = {});
  Tensor forward(const Tensor& x);
  void reset_parameters(RandomKey key) override;
  bool resets_children() const override { return true; }

  ResNetOptions options;
  Conv2d conv1;
  BatchNorm2d bn1;
  ReLU relu;
  MaxPool2d maxpool;
  Sequential layer1, layer2, layer3, layer4;
  AdaptiveAvgPool2d avgpool;
  Linear fc;

 private:
  ResNet(const ResNetOptions& options, const SkipInit&);  // with undrawn layers
};

struct MobileNetV2Options {
  int64_t num_classes = 1000;
  int64_t in_channels = 3;
  double width_mult = 1;
  double dropout = 0.2;
};
/// Sandler et al. 2018: inverted residuals with depthwise convolutions; x [N,3,H,W]. Convolutions start with Kaiming's
/// normal values (fan_out), the linear layer with N(0, 0.01). 3,504,872 parameters.
class MobileNetV2 : public ModuleOf<MobileNetV2> {
 public:
  explicit MobileNetV2(const MobileNetV2Options& options = {});
  Tensor forward(const Tensor& x);
  void reset_parameters(RandomKey key) override;
  bool resets_children() const override { return true; }

  Sequential features, classifier;

 private:
  MobileNetV2(const MobileNetV2Options& options, const SkipInit&);  // with undrawn layers
};

/// Iandola et al. 2016, version 1.0 or 1.1; x [N,3,H,W]. Convolutions start with Kaiming's uniform values, the last one
/// with N(0, 0.01), biases with 0. 1,248,424 and 1,235,496 parameters.
struct SqueezeNetOptions {
  bool version_1_1 = false;
  int64_t num_classes = 1000;
  int64_t in_channels = 3;
  double dropout = 0.5;
};
class SqueezeNet : public ModuleOf<SqueezeNet> {
 public:
  explicit SqueezeNet(const SqueezeNetOptions& options = {});
  Tensor forward(const Tensor& x);
  void reset_parameters(RandomKey key) override;
  bool resets_children() const override { return true; }

  Sequential features, classifier;

 private:
  SqueezeNet(const SqueezeNetOptions& options, const SkipInit&);  // with undrawn layers
};

/// What the table of models passes on; what is not set is the model's own default.
struct ModelOptions {
  std::optional<int64_t> num_classes, in_channels;
  std::optional<int64_t> image_size;           // small_cnn
  std::optional<double> dropout;               // those that have one
  std::optional<std::vector<int64_t>> widths;  // small_cnn: two convolutions and the hidden layer
};
/// A model by name, as torchvision has them: lenet, small_cnn, vgg11 ... vgg19_bn, resnet18 ... resnet152,
/// resnext50_32x4d, wide_resnet50_2, mobilenet_v2, squeezenet1_0, ... Throws Error that names the nearest
/// one, or an option that the model has not.
std::unique_ptr<Module> make_model(std::string_view name, const ModelOptions& options = {});
std::vector<std::string> model_names();

}  // namespace ingot
