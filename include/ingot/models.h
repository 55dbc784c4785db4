#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ingot/nn.h"
#include "ingot/nn/visual_attention.h"

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

struct LinearClassifierOptions {
  int64_t num_classes = 10;
  int64_t in_channels = 1;
  int64_t image_size = 28;  // height and width of x
};
/// x [N,C,S,S] flattened, fc: softmax regression, or with svm_loss a linear SVM.
class LinearClassifier : public ModuleOf<LinearClassifier> {
 public:
  explicit LinearClassifier(const LinearClassifierOptions& options = {});
  Tensor forward(const Tensor& x);

  Linear fc;
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

/// What one block holds: an attention module at a place, or nothing.
struct BlockAttention {
  std::optional<AttentionKind> kind;
  AttentionPosition position = AttentionPosition::residual;
  /// The module if this is its place, else null.
  std::unique_ptr<Module> make(AttentionPosition here, const AttentionShape& shape) const;
};
/// A block with room for an attention module, its child "attention".
class AttentionBlock : public Module {
 protected:
  /// Takes the module, if there is one, for this place.
  void attend(std::unique_ptr<Module> attention, AttentionPosition here);
  /// What the module makes of x where this is its place, else x.
  Tensor attended(AttentionPosition here, const Tensor& x) const;
  /// relu(norm(x) + shortcut) with attention at `residual` and `output`.
  Tensor finish(BatchNorm2d& norm, ReLU& relu, const Tensor& x, const Tensor& shortcut) const;

 private:
  std::optional<size_t> attention_;  // number of the child
  AttentionPosition position_ = AttentionPosition::residual;
};

/// Two 3x3 convolutions around which the input is added; ResNet 18 and 34. Attention at `conv` is there in place of
/// conv1, and of bn1 if it has its own norm; `inner` follows bn1 and relu.
class BasicBlock : public ModuleOf<BasicBlock, AttentionBlock> {
 public:
  static constexpr int64_t kExpansion = 1;
  BasicBlock(int64_t in_channels, int64_t width, int64_t stride, const BlockAttention& attention = {});
  Tensor forward(const Tensor& x);

  std::optional<Conv2d> conv1;
  std::optional<BatchNorm2d> bn1;
  ReLU relu;
  Conv2d conv2;
  BatchNorm2d bn2;
  std::optional<Sequential> downsample;
};

struct BottleneckOptions {
  int64_t groups = 1, width_per_group = 64;
  BlockAttention attention = {};
};
/// 1x1, 3x3 (with the stride, as in torchvision), 1x1 to four times the width; ResNet 50, 101 and 152. The 3x3 has
/// width / 64 * width_per_group * groups channels: more than one group makes a ResNeXt of it, wider ones a Wide-ResNet.
/// Attention at `conv` is there in place of conv2, and of bn2 if it has its own norm; `inner` follows bn2 and relu.
class Bottleneck : public ModuleOf<Bottleneck, AttentionBlock> {
 public:
  static constexpr int64_t kExpansion = 4;
  Bottleneck(int64_t in_channels, int64_t width, int64_t stride, const BottleneckOptions& options = {});
  Tensor forward(const Tensor& x);

  Conv2d conv1;
  BatchNorm2d bn1;
  std::optional<Conv2d> conv2;
  std::optional<BatchNorm2d> bn2;
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
  std::optional<AttentionOptions> attention = {};
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

struct CifarResNetOptions {
  int depth = 20;  // 6 n + 2
  int64_t num_classes = 10;
  int64_t in_channels = 3;
};
/// The ResNet for small images of He et al. 2015, section 4.2: three stages of n blocks with 16, 32 and 64 channels, no
/// pool before them; shortcuts with a convolution where the shape changes (their option B). x [N,3,H,W]. Starts as
/// ResNet does. Depth 20 has 272,474 parameters.
class CifarResNet : public ModuleOf<CifarResNet> {
 public:
  explicit CifarResNet(const CifarResNetOptions& options = {});
  Tensor forward(const Tensor& x);
  void reset_parameters(RandomKey key) override;
  bool resets_children() const override { return true; }

  CifarResNetOptions options;
  Conv2d conv1;
  BatchNorm2d bn1;
  ReLU relu;
  Sequential layer1, layer2, layer3;
  AdaptiveAvgPool2d avgpool;
  Linear fc;

 private:
  CifarResNet(const CifarResNetOptions& options, const SkipInit&);  // with undrawn layers
};

struct MobileNetV2Options {
  int64_t num_classes = 1000;
  int64_t in_channels = 3;
  double width_mult = 1;
  double dropout = 0.2;
  std::optional<AttentionOptions> attention = {};
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

struct MobileNetV3Options {
  bool small = false;
  int64_t num_classes = 1000;
  int64_t in_channels = 3;
  double width_mult = 1;
  double dropout = 0.2;
  std::optional<AttentionOptions> attention = {};
};
/// Howard et al. 2019: inverted residuals, some with squeeze and excitation, and hard swish; x [N,3,H,W]. Starts as
/// MobileNet v2 does. 5,483,032 parameters, small 2,542,856.
class MobileNetV3 : public ModuleOf<MobileNetV3> {
 public:
  explicit MobileNetV3(const MobileNetV3Options& options = {});
  Tensor forward(const Tensor& x);
  void reset_parameters(RandomKey key) override;
  bool resets_children() const override { return true; }

  Sequential features;
  AdaptiveAvgPool2d avgpool;
  Sequential classifier;

 private:
  MobileNetV3(const MobileNetV3Options& options, const SkipInit&);  // with undrawn layers
};

struct EfficientNetOptions {
  int variant = 0;  // B0 to B7: wider and deeper, for images of 224, 240, 260, 300, 380, 456, 528 and 600
  int64_t num_classes = 1000;
  int64_t in_channels = 3;
  std::optional<double> dropout;       // none: the variant's, 0.2 to 0.5
  double stochastic_depth_prob = 0.2;  // at the last block; it rises from 0 at the first
};
/// Tan & Le 2019, x [N,3,H,W]. Convolutions start with Kaiming's normal values (fan_out), the linear layer with
/// U(+-1/sqrt(classes)). B0 has 5,288,548 parameters, B7 66,347,960.
class EfficientNet : public ModuleOf<EfficientNet> {
 public:
  explicit EfficientNet(const EfficientNetOptions& options = {});
  Tensor forward(const Tensor& x);
  void reset_parameters(RandomKey key) override;
  bool resets_children() const override { return true; }

  Sequential features;
  AdaptiveAvgPool2d avgpool;
  Sequential classifier;

 private:
  EfficientNet(const EfficientNetOptions& options, const SkipInit&);  // with undrawn layers
};

struct VisionTransformerOptions {
  int64_t image_size = 224, patch_size = 16;
  int64_t num_layers = 12, num_heads = 12, hidden_dim = 768, mlp_dim = 3072;
  int64_t num_classes = 1000;
  int64_t in_channels = 3;
  double dropout = 0, attention_dropout = 0;
  std::optional<int64_t> representation_size;  // a further layer and tanh before the scores
};
/// What follows the patches: positions are added, blocks of attention, a norm. x [N,tokens,hidden].
class VitEncoder : public ModuleOf<VitEncoder> {
 public:
  explicit VitEncoder(const VisionTransformerOptions& options);
  Tensor forward(const Tensor& x);
  void reset_parameters(RandomKey key) override;

  Tensor pos_embedding;  // [1,tokens,hidden], from N(0, 0.02)
  Dropout dropout;
  Sequential layers;
  LayerNorm ln;
};
/// Dosovitskiy et al. 2020: a transformer over an image's patches and a class token; x [N,3,S,S] for S the image_size.
/// The patches' projection starts with N(0, 1/fan_in), the layers between with Xavier's uniform values, the token and
/// the scores with 0. Throws Error unless patch_size divides the image. ViT-B/16, the default, has 86,567,656
/// parameters.
class VisionTransformer : public ModuleOf<VisionTransformer> {
 public:
  explicit VisionTransformer(const VisionTransformerOptions& options = {});
  Tensor forward(const Tensor& x);
  void reset_parameters(RandomKey key) override;
  bool resets_children() const override { return true; }

  VisionTransformerOptions options;
  Tensor class_token;  // [1,1,hidden]
  Conv2d conv_proj;
  VitEncoder encoder;
  Sequential heads;

 private:
  VisionTransformer(const VisionTransformerOptions& options, const SkipInit&);  // with undrawn layers
};

struct DenseNetOptions {
  int depth = 121;  // 121, 161, 169 or 201
  int64_t num_classes = 1000;
  int64_t in_channels = 3;
  double drop_rate = 0;  // of what each layer adds
};
/// Huang et al. 2016: layers that see the channels of all before them; x [N,3,H,W]. Convolutions start with Kaiming's
/// normal values (fan_in). 7,978,856 parameters, DenseNet-201 20,013,928.
class DenseNet : public ModuleOf<DenseNet> {
 public:
  explicit DenseNet(const DenseNetOptions& options = {});
  Tensor forward(const Tensor& x);
  void reset_parameters(RandomKey key) override;
  bool resets_children() const override { return true; }

  Sequential features;
  Linear classifier;

 private:
  DenseNet(const DenseNetOptions& options, const SkipInit&);  // with undrawn layers
};

struct ShuffleNetV2Options {
  double width_mult = 1;  // 0.5, 1, 1.5 or 2
  int64_t num_classes = 1000;
  int64_t in_channels = 3;
};
/// Ma et al. 2018: half of the channels pass a block by, then both halves are shuffled; x [N,3,H,W]. Layers start by
/// their own rules. 2,278,604 parameters.
class ShuffleNetV2 : public ModuleOf<ShuffleNetV2> {
 public:
  explicit ShuffleNetV2(const ShuffleNetV2Options& options = {});
  Tensor forward(const Tensor& x);

  Sequential conv1;
  MaxPool2d maxpool;
  Sequential stage2, stage3, stage4, conv5;
  Linear fc;
};

struct GoogLeNetOptions {
  int64_t num_classes = 1000;
  int64_t in_channels = 3;
  bool aux_logits = true;        // two more heads on earlier layers, aux1 and aux2, for training
  bool transform_input = false;  // x has ImageNet's usual normalisation, the weights want (x - 0.5) / 0.5
  double dropout = 0.2, dropout_aux = 0.7;
};
/// Szegedy et al. 2014 with batch norm, x [N,3,H,W]. Convolutions and linear layers start with N(0, 0.01), truncated.
/// 13,004,888 parameters, 6,624,904 without the auxiliary heads.
class GoogLeNet : public ModuleOf<GoogLeNet> {
 public:
  explicit GoogLeNet(const GoogLeNetOptions& options = {});
  Tensor forward(const Tensor& x);
  /// The scores, and where there are auxiliary heads, those of aux1 and aux2, which the paper's loss counts 0.3 each.
  Tensors all_scores(const Tensor& x);
  void reset_parameters(RandomKey key) override;
  bool resets_children() const override { return true; }

  GoogLeNetOptions options;
  AdaptiveAvgPool2d avgpool;
  Dropout dropout;
  Linear fc;

 private:
  GoogLeNet(const GoogLeNetOptions& options, const SkipInit&);  // with undrawn layers
  Tensors run(const Tensor& x, bool with_aux);
};

struct Inception3Options {
  int64_t num_classes = 1000;
  int64_t in_channels = 3;
  bool aux_logits = true;  // one more head on an earlier layer, AuxLogits, for training
  bool transform_input = false;
  double dropout = 0.5;
};
/// Inception v3, Szegedy et al. 2015, x [N,3,299,299], at least 75 pixels. Starts as GoogLeNet does, with N(0, 0.1).
/// 27,161,264 parameters, 23,834,568 without the auxiliary head.
class Inception3 : public ModuleOf<Inception3> {
 public:
  explicit Inception3(const Inception3Options& options = {});
  Tensor forward(const Tensor& x);
  /// The scores, and where there is an auxiliary head, its own, which usually count 0.4; it needs 299 pixels or more.
  Tensors all_scores(const Tensor& x);
  void reset_parameters(RandomKey key) override;
  bool resets_children() const override { return true; }

  Inception3Options options;
  AdaptiveAvgPool2d avgpool;
  Dropout dropout;
  Linear fc;

 private:
  Inception3(const Inception3Options& options, const SkipInit&);  // with undrawn layers
  Tensors run(const Tensor& x, bool with_aux);
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
  std::optional<int64_t> image_size;           // those that has_image_size() names
  std::optional<double> dropout;               // those that have one
  std::optional<std::vector<int64_t>> widths;  // small_cnn: two convolutions and the hidden layer
  std::optional<AttentionOptions> attention;   // ResNets (ResNeXt, Wide-ResNet) and MobileNets
};
/// A model by name, as torchvision has them: linear, lenet, small_cnn, vgg11 ... vgg19_bn, resnet18 ... resnet152,
/// cifar_resnet20 and 56 (which torchvision has not), resnext50_32x4d, wide_resnet50_2, mobilenet_v3_large,
/// efficientnet_b0, vit_b_16, densenet121, ... Throws Error that names the nearest one, or an option that the model has
/// not.
std::unique_ptr<Module> make_model(std::string_view name, const ModelOptions& options = {});
std::vector<std::string> model_names();
/// Whether a model is made for images of one size, which are square: small_cnn, vit_b_16, ...
bool has_image_size(std::string_view name);

INGOT_INSTANCE class ModuleOf<LeNet>;
INGOT_INSTANCE class ModuleOf<LinearClassifier>;
INGOT_INSTANCE class ModuleOf<SmallCnn>;
INGOT_INSTANCE class ModuleOf<VGG>;
INGOT_INSTANCE class ModuleOf<BasicBlock, AttentionBlock>;
INGOT_INSTANCE class ModuleOf<Bottleneck, AttentionBlock>;
INGOT_INSTANCE class ModuleOf<ResNet>;
INGOT_INSTANCE class ModuleOf<CifarResNet>;
INGOT_INSTANCE class ModuleOf<MobileNetV2>;
INGOT_INSTANCE class ModuleOf<MobileNetV3>;
INGOT_INSTANCE class ModuleOf<EfficientNet>;
INGOT_INSTANCE class ModuleOf<VitEncoder>;
INGOT_INSTANCE class ModuleOf<VisionTransformer>;
INGOT_INSTANCE class ModuleOf<DenseNet>;
INGOT_INSTANCE class ModuleOf<ShuffleNetV2>;
INGOT_INSTANCE class ModuleOf<GoogLeNet>;
INGOT_INSTANCE class ModuleOf<Inception3>;
INGOT_INSTANCE class ModuleOf<SqueezeNet>;

}  // namespace ingot
