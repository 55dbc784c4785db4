#include "ingot/models.h"

#include <gmock/gmock.h>

#include "base/hash.h"
#include "error_of.h"
#include "ingot/losses.h"

namespace ingot {
namespace {

int64_t parameter_count(const Module& module) {
  int64_t count = 0;
  for (const Tensor& x : module.parameters()) count += x.numel();
  return count;
}

/// A line for each entry of the state, "layer1.0.conv1.weight [64, 64, 1, 1]".
std::string names_and_shapes(const Module& module) {
  std::string text;
  for (const auto& [name, x] : module.state_dict()) text += name + " " + to_string(x.shape()) + "\n";
  return text;
}

struct Known {
  const char* name;
  int64_t parameters;
  uint64_t state;  // XXH3 of names_and_shapes of torchvision 0.30's model
};

class KnownModels : public testing::TestWithParam<Known> {};

TEST_P(KnownModels, HaveTorchvisionsNamesOrderAndCounts) {
  const SkipInit skip;
  const auto model = make_model(GetParam().name);
  EXPECT_EQ(parameter_count(*model), GetParam().parameters);
  const std::string text = names_and_shapes(*model);
  EXPECT_EQ(hash_bytes(text.data(), text.size()), GetParam().state) << text;
}

INSTANTIATE_TEST_SUITE_P(
    All, KnownModels,
    testing::Values(
        Known{"vgg11", 132863336, 0x3e76edfa8b7cb586}, Known{"vgg11_bn", 132868840, 0x3a5d35d6cd876deb},
        Known{"vgg13", 133047848, 0x56d9925fd93cea80}, Known{"vgg13_bn", 133053736, 0x084512cf991b5119},
        Known{"vgg16", 138357544, 0x4b6d8ef9de78908c}, Known{"vgg16_bn", 138365992, 0x74f11176cbd1dac8},
        Known{"vgg19", 143667240, 0xc8bd5c92cd458218}, Known{"vgg19_bn", 143678248, 0xb6cbd158ee1ff6b8},
        Known{"resnet18", 11689512, 0xcf7c2e5a11502f8a}, Known{"resnet34", 21797672, 0x95e3b999c9c4334f},
        Known{"resnet50", 25557032, 0x7dfb9c27b6defb80}, Known{"resnet101", 44549160, 0x409f70222da423b0},
        Known{"resnet152", 60192808, 0x4f57db913fd4c9a6}, Known{"resnext50_32x4d", 25028904, 0x0e8a1fb8de389f00},
        Known{"resnext101_32x8d", 88791336, 0xabd24974799f3eb3},
        Known{"resnext101_64x4d", 83455272, 0x22964f8103f1fc8a}, Known{"wide_resnet50_2", 68883240, 0x6b9585f52a64254b},
        Known{"wide_resnet101_2", 126886696, 0x27ed9cb67888eb7c}, Known{"mobilenet_v2", 3504872, 0xedc458df6ca1d76a},
        Known{"squeezenet1_0", 1248424, 0x4627f3e9410de8a0}, Known{"squeezenet1_1", 1235496, 0x057ae1b197e2aafb}),
    [](const auto& info) { return info.param.name; });

TEST(Models, SmallOnesHaveTheirCounts) {
  EXPECT_EQ(parameter_count(LeNet()), 61706);
  EXPECT_EQ(parameter_count(SmallCnn()), 421738);
  EXPECT_EQ(model_names().size(), 23u);
}

TEST(Models, TheTableNamesWhatItDoesNotKnow) {
  EXPECT_EQ(error_of([] { make_model("resnet51"); }), "there is no model 'resnet51'; did you mean 'resnet50'?");
  EXPECT_EQ(error_of([] { make_model("resnet18", {.dropout = 0.1}); }), "the model resnet18 has no option dropout");
  EXPECT_EQ(error_of([] { make_model("small_cnn", {.widths = std::vector<int64_t>{1, 2}}); }),
            "small_cnn has 3 widths (two convolutions, one hidden layer), not 2");
  EXPECT_EQ(error_of([] { ResNet({.depth = 20}); }),
            "there is no ResNet of depth 20; depths are 18, 34, 50, 101 and 152");
}

TEST(Models, GiveScoresForTheirClasses) {
  const auto run = [](std::string_view name, const ModelOptions& options, const Shape& image) {
    const auto model = make_model(name, options);
    model->eval();
    const NoGrad no_grad;
    return model->call({normal(image, 0, 1, RandomKey{1})})[0].shape();
  };
  EXPECT_EQ(run("lenet", {}, {2, 1, 28, 28}), Shape({2, 10}));
  EXPECT_EQ(
      run("small_cnn", {.num_classes = 5, .image_size = 16, .widths = std::vector<int64_t>{4, 8, 16}}, {3, 1, 16, 16}),
      Shape({3, 5}));
  EXPECT_EQ(run("resnet18", {.num_classes = 7, .in_channels = 1}, {2, 1, 32, 32}), Shape({2, 7}));
  EXPECT_EQ(run("resnet50", {.num_classes = 7}, {1, 3, 33, 40}), Shape({1, 7}));
}

TEST(Models, VggRunsAtAnyImageSize) {
  const SkipInit skip;  // it is the shapes that count
  VGG net({.depth = 11, .batch_norm = true, .num_classes = 3});
  net.eval();
  const NoGrad no_grad;
  EXPECT_EQ(net(ones({1, 3, 32, 48})).shape(), Shape({1, 3}));
}

TEST(Models, EveryParameterGetsAGradient) {
  for (const char* name : {"lenet", "small_cnn", "resnet18"}) {
    const auto model = make_model(name, {.num_classes = 4, .in_channels = 1});
    const Tensor scores = model->call({normal({4, 1, 28, 28}, 0, 1, RandomKey{2})})[0];
    backward(cross_entropy(scores, from_vector<int64_t>({0, 1, 2, 3}, {4})));
    for (const auto& [parameter, x] : model->named_parameters())
      EXPECT_TRUE(x.grad().defined()) << name << " " << parameter;
  }
}

TEST(Models, ErrorsNameTheLayerOfABlock) {
  ResNet net({.depth = 18});
  net.layer1.get<BasicBlock>(1).conv2.weight = ones({64, 32, 3, 3});
  EXPECT_EQ(error_of([&] { net(ones({1, 3, 32, 32})); }),
            "[conv2d] layer1.1.conv2: weight [64, 32, 3, 3] needs 32 input channels, x is [1, 64, 8, 8]");
}

TEST(Models, AClonedModelComputesTheSame) {
  const auto net = make_model("resnet18", {.num_classes = 4});
  net->eval();
  const auto twin = net->clone();
  const Tensor x = normal({1, 3, 32, 32}, 0, 1, RandomKey{3});
  EXPECT_EQ(net->call({x})[0].to_vector<float>(), twin->call({x})[0].to_vector<float>());
  fill(net->parameters()[0], 0);
  EXPECT_NE(net->call({x})[0].to_vector<float>(), twin->call({x})[0].to_vector<float>());
}

TEST(Models, PrintAsInTorchvision) {
  EXPECT_EQ(to_string(BasicBlock(64, 128, 2)), R"(BasicBlock(
  (conv1): Conv2d(64, 128, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), bias=False)
  (bn1): BatchNorm2d(128, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
  (relu): ReLU()
  (conv2): Conv2d(128, 128, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
  (bn2): BatchNorm2d(128, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
  (downsample): Sequential(
    (0): Conv2d(64, 128, kernel_size=(1, 1), stride=(2, 2), bias=False)
    (1): BatchNorm2d(128, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
  )
))");
}

}  // namespace
}  // namespace ingot
