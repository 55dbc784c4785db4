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
        Known{"squeezenet1_0", 1248424, 0x4627f3e9410de8a0}, Known{"squeezenet1_1", 1235496, 0x057ae1b197e2aafb},
        Known{"mobilenet_v3_large", 5483032, 0x42b80a337e0d97f6},
        Known{"mobilenet_v3_small", 2542856, 0x9150ad4c75e4bb23}, Known{"efficientnet_b0", 5288548, 0xa5a90dfc3573273b},
        Known{"efficientnet_b1", 7794184, 0x4b5445973f254af1}, Known{"efficientnet_b2", 9109994, 0x827a00afbe0d43a4},
        Known{"efficientnet_b3", 12233232, 0xbb98b4d514e82054}, Known{"efficientnet_b4", 19341616, 0x640b913e27c022c5},
        Known{"efficientnet_b5", 30389784, 0x86c22db2127c40fd}, Known{"efficientnet_b6", 43040704, 0x8c4dfa77e2409fcd},
        Known{"efficientnet_b7", 66347960, 0x344a9bf8bd671339}, Known{"vit_b_16", 86567656, 0xbf037b87ebab3617},
        Known{"vit_b_32", 88224232, 0x2dd16395cb1559f4}, Known{"vit_l_16", 304326632, 0x2f58fd08bd795438},
        Known{"vit_l_32", 306535400, 0x8f2b5d1350d3c6e9}, Known{"densenet121", 7978856, 0x72002ec9535f5802},
        Known{"densenet161", 28681000, 0xd0a68a16c743c84e}, Known{"densenet169", 14149480, 0x01e90513133538bb},
        Known{"densenet201", 20013928, 0x24088613aa7be415}, Known{"shufflenet_v2_x0_5", 1366792, 0x6be35d112cb06f05},
        Known{"shufflenet_v2_x1_0", 2278604, 0xb499b78ab00221d0},
        Known{"shufflenet_v2_x1_5", 3503624, 0x79486ab996dfae2a},
        Known{"shufflenet_v2_x2_0", 7393996, 0xe999cc2b47973237}, Known{"googlenet", 13004888, 0x9e07c0ffe516ec04},
        Known{"inception_v3", 27161264, 0xce5cefdffe8f88fc}),
    [](const auto& info) { return info.param.name; });

TEST(Models, SmallOnesHaveTheirCounts) {
  EXPECT_EQ(parameter_count(LeNet()), 61706);
  EXPECT_EQ(parameter_count(SmallCnn()), 421738);
  EXPECT_EQ(parameter_count(CifarResNet()), 272474);
  EXPECT_EQ(parameter_count(CifarResNet({.depth = 56})), 855770);
  EXPECT_EQ(error_of([] { CifarResNet({.depth = 18}); }),
            "there is no such ResNet of depth 18; depths are 6 n + 2, as 20 and 56");
  EXPECT_EQ(model_names().size(), 50u);
}

TEST(Models, TheTableNamesWhatItDoesNotKnow) {
  EXPECT_EQ(error_of([] { make_model("resnet51"); }), "there is no model 'resnet51'; did you mean 'resnet50'?");
  EXPECT_EQ(error_of([] { make_model("resnet18", {.dropout = 0.1}); }), "the model resnet18 has no option dropout");
  EXPECT_EQ(error_of([] { make_model("small_cnn", {.widths = std::vector<int64_t>{1, 2}}); }),
            "small_cnn has 3 widths (two convolutions, one hidden layer), not 2");
  EXPECT_EQ(error_of([] { make_model("resnet18", {.image_size = 32}); }),
            "the model resnet18 has no option image_size");
  EXPECT_TRUE(has_image_size("vit_b_16") && has_image_size("small_cnn"));
  EXPECT_FALSE(has_image_size("resnet18") || has_image_size("resnet51"));
}

TEST(Models, RefuseOptionsThatNoPaperHas) {
  EXPECT_EQ(error_of([] { ResNet({.depth = 20}); }),
            "there is no ResNet of depth 20; depths are 18, 34, 50, 101 and 152");
  EXPECT_EQ(error_of([] { DenseNet({.depth = 20}); }),
            "there is no DenseNet of depth 20; depths are 121, 161, 169 and 201");
  EXPECT_EQ(error_of([] { EfficientNet({.variant = 8}); }), "there is no EfficientNet-B8; variants are 0 to 7");
  EXPECT_EQ(error_of([] { ShuffleNetV2({.width_mult = 3}); }),
            "there is no ShuffleNet v2 of width 3; widths are 0.5, 1, 1.5 and 2");
  EXPECT_EQ(error_of([] { VisionTransformer({.image_size = 30}); }),
            "image_size 30 is not a multiple of patch_size 16");
  EXPECT_EQ(error_of([] { GoogLeNet({.in_channels = 1, .transform_input = true}); }),
            "transform_input is for 3 channels, in_channels is 1");
}

TEST(Models, GiveScoresForTheirClasses) {
  const SkipInit skip;  // it is the shapes that count
  const auto run = [](std::string_view name, const ModelOptions& options, const Shape& image) {
    const auto model = make_model(name, options);
    for (Tensor x : model->parameters()) fill(x, 0.01);
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
  EXPECT_EQ(run("mobilenet_v3_large", {.num_classes = 7}, {1, 3, 33, 40}), Shape({1, 7}));
  EXPECT_EQ(run("mobilenet_v3_small", {.num_classes = 7, .in_channels = 1}, {2, 1, 32, 32}), Shape({2, 7}));
  EXPECT_EQ(run("efficientnet_b0", {.num_classes = 7}, {1, 3, 33, 40}), Shape({1, 7}));
  EXPECT_EQ(run("densenet121", {.num_classes = 7}, {1, 3, 33, 40}), Shape({1, 7}));
  EXPECT_EQ(run("shufflenet_v2_x0_5", {.num_classes = 7, .in_channels = 1}, {2, 1, 33, 40}), Shape({2, 7}));
  EXPECT_EQ(run("googlenet", {.num_classes = 7}, {1, 3, 33, 40}), Shape({1, 7}));
  EXPECT_EQ(run("inception_v3", {.num_classes = 7}, {1, 3, 75, 80}), Shape({1, 7}));
}

TEST(Models, VggRunsAtAnyImageSize) {
  const SkipInit skip;  // it is the shapes that count
  VGG net({.depth = 11, .batch_norm = true, .num_classes = 3});
  net.eval();
  const NoGrad no_grad;
  EXPECT_EQ(net(ones({1, 3, 32, 48})).shape(), Shape({1, 3}));
}

VisionTransformerOptions small_vit() {
  return {.image_size = 8,
          .patch_size = 4,
          .num_layers = 2,
          .num_heads = 2,
          .hidden_dim = 8,
          .mlp_dim = 16,
          .num_classes = 3};
}

TEST(Models, AVisionTransformerTakesImagesOfItsSize) {
  VisionTransformer net(small_vit());
  EXPECT_EQ(net(ones({2, 3, 8, 8})).shape(), Shape({2, 3}));
  EXPECT_EQ(error_of([&] { net(ones({2, 3, 8, 12})); }),
            "[VisionTransformer] x is [2, 3, 8, 12], it must be [N,3,8,8]");
}

TEST(Models, AuxiliaryHeadsGiveScoresBesideTheMainOnes) {
  const SkipInit skip;
  GoogLeNet with_aux({.num_classes = 5}), plain({.num_classes = 5, .aux_logits = false});
  for (Tensor x : with_aux.parameters()) fill(x, 0.01);
  for (Tensor x : plain.parameters()) fill(x, 0.01);
  EXPECT_EQ(parameter_count(GoogLeNet({.aux_logits = false})), 6624904);
  with_aux.eval();
  const Tensor x = normal({2, 3, 32, 32}, 0, 1, RandomKey{4});
  const Tensors all = with_aux.all_scores(x);
  ASSERT_EQ(all.size(), 3u);
  for (const Tensor& scores : all) EXPECT_EQ(scores.shape(), Shape({2, 5}));
  EXPECT_EQ(all[0].to_vector<float>(), with_aux(x).to_vector<float>());
  EXPECT_EQ(plain.all_scores(x).size(), 1u);
}

TEST(Models, TheFirstInceptionNetworksMayTakeImagesOfTheUsualNormalisation) {
  const SeedScope seed(5);
  GoogLeNet plain({.num_classes = 5, .aux_logits = false}),
      transforming({.aux_logits = false, .transform_input = true});
  transforming.fc = Linear(1024, 5);
  transforming.load_state_dict(plain.state_dict());
  plain.dropout.p = transforming.dropout.p = 0;
  const Tensor image = uniform({4, 3, 64, 64}, 0, 1, RandomKey{6});
  const auto of_channels = [](const std::vector<float>& values) { return from_vector(values, {1, 3, 1, 1}); };
  const Tensor usual = (image - of_channels({0.485F, 0.456F, 0.406F})) / of_channels({0.229F, 0.224F, 0.225F});
  const auto expected = plain((image - 0.5) / 0.5).to_vector<float>();
  EXPECT_THAT(transforming(usual).to_vector<float>(), testing::Pointwise(testing::FloatNear(1e-4F), expected));
  EXPECT_THAT(plain(usual).to_vector<float>(), testing::Not(testing::Pointwise(testing::FloatNear(1e-3F), expected)));
}

TEST(Models, StochasticDepthRisesFromTheFirstBlockToTheLast) {
  const SkipInit skip;
  EfficientNet net({.stochastic_depth_prob = 0.4});
  std::vector<double> probabilities;
  for (Module* module : net.modules())
    if (const auto* path = dynamic_cast<DropPath*>(module)) probabilities.push_back(path->p);
  ASSERT_EQ(probabilities.size(), 16u);
  for (size_t i = 0; i < probabilities.size(); ++i)
    EXPECT_DOUBLE_EQ(probabilities[i], 0.4 * static_cast<double>(i) / 16);
}

TEST(Models, EveryParameterGetsAGradient) {
  for (const char* name :
       {"lenet", "small_cnn", "resnet18", "cifar_resnet20", "mobilenet_v3_small", "shufflenet_v2_x0_5"}) {
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

double std_of(const Module& module, std::string_view name) {
  for (const auto& [own, x] : module.named_parameters())
    if (own == name) return std::sqrt(var(detach(x)).item<double>());
  return -1;
}

/// What torchvision's constructors write over the layers' own values.
TEST(Models, StartAsInTorchvision) {
  const SeedScope seed(7);
  const auto kaiming = [](double fan) { return std::sqrt(2 / fan); };
  constexpr double kNear = 0.05;  // of the value itself: thousands of values are drawn
  const auto expect_std = [](const Module& module, std::string_view name, double wanted) {
    EXPECT_NEAR(std_of(module, name), wanted, kNear * wanted) << module.type_name() << " " << name;
  };
  const MobileNetV3 mobile({.small = true});
  expect_std(mobile, "features.12.0.weight", kaiming(576));  // 1x1, to 576 channels
  expect_std(mobile, "classifier.3.weight", 0.01);
  EXPECT_EQ(std_of(mobile, "features.1.block.1.fc1.bias"), 0);
  const EfficientNet efficient;
  expect_std(efficient, "features.8.0.weight", kaiming(1280));
  expect_std(efficient, "classifier.1.weight", 1 / std::sqrt(3.0 * 1000));
  EXPECT_EQ(std_of(efficient, "classifier.1.bias"), 0);
  const DenseNet dense;
  expect_std(dense, "features.transition3.conv.weight", kaiming(1024));
  expect_std(dense, "classifier.weight", 1 / std::sqrt(3.0 * 1024));
  EXPECT_EQ(std_of(dense, "classifier.bias"), 0);
  const GoogLeNet google;
  expect_std(google, "inception5b.branch2.1.conv.weight", 0.01);
  expect_std(google, "aux1.fc1.bias", 1 / std::sqrt(3.0 * 2048));
  const Inception3 inception;
  expect_std(inception, "Mixed_7c.branch3x3_1.conv.weight", 0.1);
  expect_std(inception, "AuxLogits.fc.weight", 0.001);
  // 0.1 times the deviation of a normal value between -2 and 2 is no other than 0.1: the bounds are values themselves.
  expect_std(inception, "AuxLogits.conv1.conv.weight", 0.1);
}

TEST(Models, AVisionTransformerStartsAsInTorchvision) {
  const SeedScope seed(8);
  const VisionTransformer vit({.image_size = 64, .num_layers = 1, .hidden_dim = 192, .mlp_dim = 384});
  const auto near = [&](std::string_view name, double wanted) {
    EXPECT_NEAR(std_of(vit, name), wanted, 0.05 * wanted) << name;
  };
  const std::string block = "encoder.layers.encoder_layer_0.";
  near("encoder.pos_embedding", 0.02);
  near("conv_proj.weight", 1 / std::sqrt(3.0 * 16 * 16));
  near(block + "mlp.0.weight", std::sqrt(2.0 / (192 + 384)));
  near(block + "mlp.3.bias", 1e-6);
  near(block + "self_attention.in_proj_weight", std::sqrt(2.0 / (192 + 3 * 192)));
  near(block + "self_attention.out_proj.weight", 1 / std::sqrt(3.0 * 192));
  for (const char* zero : {"class_token", "conv_proj.bias", "heads.head.weight", "heads.head.bias"})
    EXPECT_EQ(std_of(vit, zero), 0) << zero;
  EXPECT_EQ(std_of(vit, block + "self_attention.out_proj.bias"), 0);
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
