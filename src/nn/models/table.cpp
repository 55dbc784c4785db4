#include <algorithm>

#include "base/check.h"
#include "base/text.h"
#include "ingot/models.h"

namespace ingot {
namespace {

using Options = ModelOptions;
using Made = std::unique_ptr<Module>;

struct Entry {
  std::string_view name;
  Made (*make)(const Options& options);
  bool small = false, dropout = false;  // takes image_size and widths; takes dropout
};

template <class T, class U>
void set(T& to, const std::optional<U>& from) {
  if (from) to = *from;
}

Made lenet(const Options& o) {
  LeNetOptions options;
  set(options.num_classes, o.num_classes);
  set(options.in_channels, o.in_channels);
  return std::make_unique<LeNet>(options);
}

Made small_cnn(const Options& o) {
  SmallCnnOptions options;
  set(options.num_classes, o.num_classes);
  set(options.in_channels, o.in_channels);
  set(options.image_size, o.image_size);
  set(options.dropout, o.dropout);
  if (o.widths) {
    CHECK(o.widths->size() == 3, "small_cnn has 3 widths (two convolutions, one hidden layer), not {}",
          o.widths->size());
    options.conv1 = (*o.widths)[0], options.conv2 = (*o.widths)[1], options.hidden = (*o.widths)[2];
  }
  return std::make_unique<SmallCnn>(options);
}

template <int kDepth, bool kBatchNorm>
Made vgg(const Options& o) {
  VggOptions options{.depth = kDepth, .batch_norm = kBatchNorm};
  set(options.num_classes, o.num_classes);
  set(options.in_channels, o.in_channels);
  set(options.dropout, o.dropout);
  return std::make_unique<VGG>(options);
}

template <int kDepth, int kGroups = 1, int kWidthPerGroup = 64>
Made resnet(const Options& o) {
  ResNetOptions options{.depth = kDepth, .groups = kGroups, .width_per_group = kWidthPerGroup};
  set(options.num_classes, o.num_classes);
  set(options.in_channels, o.in_channels);
  return std::make_unique<ResNet>(options);
}

Made mobilenet_v2(const Options& o) {
  MobileNetV2Options options;
  set(options.num_classes, o.num_classes);
  set(options.in_channels, o.in_channels);
  set(options.dropout, o.dropout);
  return std::make_unique<MobileNetV2>(options);
}

template <bool kVersion11>
Made squeezenet(const Options& o) {
  SqueezeNetOptions options{.version_1_1 = kVersion11};
  set(options.num_classes, o.num_classes);
  set(options.in_channels, o.in_channels);
  set(options.dropout, o.dropout);
  return std::make_unique<SqueezeNet>(options);
}

constexpr Entry kModels[] = {
    {"lenet", lenet},
    {"small_cnn", small_cnn, true, true},
    {"vgg11", vgg<11, false>, false, true},
    {"vgg11_bn", vgg<11, true>, false, true},
    {"vgg13", vgg<13, false>, false, true},
    {"vgg13_bn", vgg<13, true>, false, true},
    {"vgg16", vgg<16, false>, false, true},
    {"vgg16_bn", vgg<16, true>, false, true},
    {"vgg19", vgg<19, false>, false, true},
    {"vgg19_bn", vgg<19, true>, false, true},
    {"resnet18", resnet<18>},
    {"resnet34", resnet<34>},
    {"resnet50", resnet<50>},
    {"resnet101", resnet<101>},
    {"resnet152", resnet<152>},
    {"resnext50_32x4d", resnet<50, 32, 4>},
    {"resnext101_32x8d", resnet<101, 32, 8>},
    {"resnext101_64x4d", resnet<101, 64, 4>},
    {"wide_resnet50_2", resnet<50, 1, 128>},
    {"wide_resnet101_2", resnet<101, 1, 128>},
    {"mobilenet_v2", mobilenet_v2, false, true},
    {"squeezenet1_0", squeezenet<false>, false, true},
    {"squeezenet1_1", squeezenet<true>, false, true},
};

}  // namespace

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const Entry& e : kModels) names.emplace_back(e.name);
  return names;
}

std::unique_ptr<Module> make_model(std::string_view name, const ModelOptions& options) {
  const Entry* const entry =
      std::find_if(std::begin(kModels), std::end(kModels), [&](const Entry& e) { return e.name == name; });
  CHECK(entry != std::end(kModels), "there is no model '{}'{}", name, did_you_mean(name, model_names()));
  CHECK(entry->small || !options.widths, "the model {} has no option widths", name);
  CHECK(entry->small || !options.image_size, "the model {} has no option image_size", name);
  CHECK(entry->dropout || !options.dropout, "the model {} has no option dropout", name);
  return entry->make(options);
}

}  // namespace ingot
