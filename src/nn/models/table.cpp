#include <algorithm>

#include "base/check.h"
#include "base/text.h"
#include "ingot/models.h"

namespace ingot {
namespace {

using Options = ModelOptions;
using Made = std::unique_ptr<Module>;

/// The options that not all models take.
struct Takes {
  bool dropout = false, image_size = false, widths = false, attention = false;
};
constexpr Takes kImage{.image_size = true};
constexpr Takes kDropout{.dropout = true};
constexpr Takes kImageAndDropout{.dropout = true, .image_size = true};
constexpr Takes kAttention{.attention = true};
constexpr Takes kAttentionAndDropout{.dropout = true, .attention = true};

struct Entry {
  std::string_view name;
  Made (*make)(const Options& options);
  Takes takes{};
};

template <class T, class U>
void set(T& to, const std::optional<U>& from) {
  if (from) to = *from;
}
template <class T>
void set(std::optional<T>& to, const std::optional<T>& from) {
  if (from) to = from;
}

/// A network with its options, those of them set that both know.
template <class Network, class NetworkOptions>
Made made(NetworkOptions options, const Options& o) {
  set(options.num_classes, o.num_classes);
  set(options.in_channels, o.in_channels);
  if constexpr (requires { options.image_size; }) set(options.image_size, o.image_size);
  if constexpr (requires { options.dropout; }) set(options.dropout, o.dropout);
  if constexpr (requires { options.attention; }) set(options.attention, o.attention);
  return std::make_unique<Network>(options);
}

Made linear_classifier(const Options& o) { return made<LinearClassifier>(LinearClassifierOptions{}, o); }
Made lenet(const Options& o) { return made<LeNet>(LeNetOptions{}, o); }

Made small_cnn(const Options& o) {
  SmallCnnOptions options;
  if (o.widths) {
    CHECK(o.widths->size() == 3, "small_cnn has 3 widths (two convolutions, one hidden layer), not {}",
          o.widths->size());
    options.conv1 = (*o.widths)[0], options.conv2 = (*o.widths)[1], options.hidden = (*o.widths)[2];
  }
  return made<SmallCnn>(options, o);
}

template <int kDepth, bool kBatchNorm>
Made vgg(const Options& o) {
  return made<VGG>(VggOptions{.depth = kDepth, .batch_norm = kBatchNorm}, o);
}

template <int kDepth, int kGroups = 1, int kWidthPerGroup = 64>
Made resnet(const Options& o) {
  return made<ResNet>(ResNetOptions{.depth = kDepth, .groups = kGroups, .width_per_group = kWidthPerGroup}, o);
}

template <int kDepth>
Made cifar_resnet(const Options& o) {
  return made<CifarResNet>(CifarResNetOptions{.depth = kDepth}, o);
}

Made mobilenet_v2(const Options& o) { return made<MobileNetV2>(MobileNetV2Options{}, o); }

template <bool kSmall>
Made mobilenet_v3(const Options& o) {
  return made<MobileNetV3>(MobileNetV3Options{.small = kSmall}, o);
}

template <int kVariant>
Made efficientnet(const Options& o) {
  return made<EfficientNet>(EfficientNetOptions{.variant = kVariant}, o);
}

template <int kPatch>
Made vit_b(const Options& o) {
  return made<VisionTransformer>(VisionTransformerOptions{.patch_size = kPatch}, o);
}
template <int kPatch>
Made vit_l(const Options& o) {
  const VisionTransformerOptions large{
      .patch_size = kPatch, .num_layers = 24, .num_heads = 16, .hidden_dim = 1024, .mlp_dim = 4096};
  return made<VisionTransformer>(large, o);
}

template <int kDepth>
Made densenet(const Options& o) {
  DenseNetOptions options{.depth = kDepth};
  set(options.drop_rate, o.dropout);
  return made<DenseNet>(options, o);
}

template <int kTenths>
Made shufflenet_v2(const Options& o) {
  return made<ShuffleNetV2>(ShuffleNetV2Options{.width_mult = kTenths / 10.0}, o);
}

Made googlenet(const Options& o) { return made<GoogLeNet>(GoogLeNetOptions{}, o); }
Made inception_v3(const Options& o) { return made<Inception3>(Inception3Options{}, o); }

template <bool kVersion11>
Made squeezenet(const Options& o) {
  return made<SqueezeNet>(SqueezeNetOptions{.version_1_1 = kVersion11}, o);
}

constexpr Entry kModels[] = {
    {"linear", linear_classifier, kImage},
    {"lenet", lenet},
    {"small_cnn", small_cnn, {.dropout = true, .image_size = true, .widths = true}},
    {"vgg11", vgg<11, false>, kDropout},
    {"vgg11_bn", vgg<11, true>, kDropout},
    {"vgg13", vgg<13, false>, kDropout},
    {"vgg13_bn", vgg<13, true>, kDropout},
    {"vgg16", vgg<16, false>, kDropout},
    {"vgg16_bn", vgg<16, true>, kDropout},
    {"vgg19", vgg<19, false>, kDropout},
    {"vgg19_bn", vgg<19, true>, kDropout},
    {"resnet18", resnet<18>, kAttention},
    {"resnet34", resnet<34>, kAttention},
    {"resnet50", resnet<50>, kAttention},
    {"resnet101", resnet<101>, kAttention},
    {"resnet152", resnet<152>, kAttention},
    {"resnext50_32x4d", resnet<50, 32, 4>, kAttention},
    {"resnext101_32x8d", resnet<101, 32, 8>, kAttention},
    {"resnext101_64x4d", resnet<101, 64, 4>, kAttention},
    {"wide_resnet50_2", resnet<50, 1, 128>, kAttention},
    {"wide_resnet101_2", resnet<101, 1, 128>, kAttention},
    {"cifar_resnet20", cifar_resnet<20>},
    {"cifar_resnet56", cifar_resnet<56>},
    {"mobilenet_v2", mobilenet_v2, kAttentionAndDropout},
    {"mobilenet_v3_large", mobilenet_v3<false>, kAttentionAndDropout},
    {"mobilenet_v3_small", mobilenet_v3<true>, kAttentionAndDropout},
    {"efficientnet_b0", efficientnet<0>, kDropout},
    {"efficientnet_b1", efficientnet<1>, kDropout},
    {"efficientnet_b2", efficientnet<2>, kDropout},
    {"efficientnet_b3", efficientnet<3>, kDropout},
    {"efficientnet_b4", efficientnet<4>, kDropout},
    {"efficientnet_b5", efficientnet<5>, kDropout},
    {"efficientnet_b6", efficientnet<6>, kDropout},
    {"efficientnet_b7", efficientnet<7>, kDropout},
    {"vit_b_16", vit_b<16>, kImageAndDropout},
    {"vit_b_32", vit_b<32>, kImageAndDropout},
    {"vit_l_16", vit_l<16>, kImageAndDropout},
    {"vit_l_32", vit_l<32>, kImageAndDropout},
    {"densenet121", densenet<121>, kDropout},
    {"densenet161", densenet<161>, kDropout},
    {"densenet169", densenet<169>, kDropout},
    {"densenet201", densenet<201>, kDropout},
    {"shufflenet_v2_x0_5", shufflenet_v2<5>},
    {"shufflenet_v2_x1_0", shufflenet_v2<10>},
    {"shufflenet_v2_x1_5", shufflenet_v2<15>},
    {"shufflenet_v2_x2_0", shufflenet_v2<20>},
    {"googlenet", googlenet, kDropout},
    {"inception_v3", inception_v3, kDropout},
    {"squeezenet1_0", squeezenet<false>, kDropout},
    {"squeezenet1_1", squeezenet<true>, kDropout},
};

const Entry* find(std::string_view name) {
  const Entry* const entry =
      std::find_if(std::begin(kModels), std::end(kModels), [&](const Entry& e) { return e.name == name; });
  return entry == std::end(kModels) ? nullptr : entry;
}

}  // namespace

bool has_image_size(std::string_view name) {
  const Entry* const entry = find(name);
  return entry != nullptr && entry->takes.image_size;
}

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const Entry& e : kModels) names.emplace_back(e.name);
  return names;
}

std::unique_ptr<Module> make_model(std::string_view name, const ModelOptions& options) {
  const Entry* const entry = find(name);
  CHECK(entry != nullptr, "there is no model '{}'{}", name, did_you_mean(name, model_names()));
  CHECK(entry->takes.widths || !options.widths, "the model {} has no option widths", name);
  CHECK(entry->takes.image_size || !options.image_size, "the model {} has no option image_size", name);
  CHECK(entry->takes.dropout || !options.dropout, "the model {} has no option dropout", name);
  CHECK(entry->takes.attention || !options.attention, "the model {} has no option attention", name);
  return entry->make(options);
}

}  // namespace ingot
