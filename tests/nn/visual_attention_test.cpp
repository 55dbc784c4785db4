#include "ingot/nn/visual_attention.h"

#include <gmock/gmock.h>

#include <fstream>

#include "error_of.h"
#include "ingot/init.h"
#include "ingot/models.h"
#include "layer_case.h"

namespace ingot {
namespace {

class GoldenAttention : public testing::TestWithParam<LayerCase> {};
TEST_P(GoldenAttention, IsThatOfItsPaper) { expect_golden_layer("attention", GetParam()); }
TEST_P(GoldenAttention, CopiesPrintsAndTraces) { expect_copies_prints_and_traces("attention", GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    Modules, GoldenAttention,
    testing::Values(
        LayerCase{"SE", layer<SqueezeExcitation>(8, 2)},
        LayerCase{"SE.identity", layer<SqueezeExcitation>(8, 2, SqueezeExcitationOptions{.identity_start = true})},
        LayerCase{"ECA", layer<ECA>(8, ECAOptions{.kernel_size = 3})},
        LayerCase{"CBAM", layer<CBAM>(8, CBAMOptions{.reduction = 4}), true},
        LayerCase{"CBAM.eval", layer<CBAM>(8, CBAMOptions{.reduction = 4})},
        LayerCase{"BAM", layer<BAM>(8, BAMOptions{.reduction = 4, .dilation = 2}), true},
        LayerCase{"CoordAttention", layer<CoordAttention>(8), true},
        LayerCase{"TripletAttention", layer<TripletAttention>(TripletAttentionOptions{.kernel_size = 3}), true},
        LayerCase{"SimAM", layer<SimAM>()}, LayerCase{"GC", layer<GlobalContext>(8, GlobalContextOptions{4})},
        LayerCase{"NonLocal", layer<NonLocal2d>(8)},
        LayerCase{"NonLocal.dot_product", layer<NonLocal2d>(8, NonLocalOptions{.mode = NonLocalMode::dot_product})},
        LayerCase{"NonLocal.sub_sample", layer<NonLocal2d>(8, NonLocalOptions{.sub_sample = true})},
        LayerCase{
            "SK",
            layer<SelectiveKernel>(8, 12, SelectiveKernelOptions{.reduction = 2, .least = 1, .groups = 2, .stride = 2}),
            true},
        LayerCase{"MHSA", layer<MHSA>(8, 12, MHSAOptions{.heads = 3})},
        LayerCase{"MHSA.relative", layer<MHSA>(8, 8, MHSAOptions{.heads = 2, .size = Pair(6, 5), .stride = 2})}),
    layer_name);

int64_t parameter_count(const Module& module) {
  int64_t count = 0;
  for (const Tensor& x : module.parameters()) count += x.numel();
  return count;
}
/// 1,234,567
std::string with_commas(int64_t count) {
  std::string text = std::to_string(count);
  for (auto at = static_cast<int64_t>(text.size()) - 3; at > 0; at -= 3) text.insert(static_cast<size_t>(at), ",");
  return text;
}
int64_t added_to(const std::string& model, const AttentionOptions& attention) {
  const SkipInit skip;
  return parameter_count(*make_model(model, {.attention = attention})) - parameter_count(*make_model(model));
}

TEST(Attention, NetworksHaveTheirPapersCounts) {
  EXPECT_EQ(25557032 + added_to("resnet50", {.kind = SEOptions{}}), 28088024);    // 28.09M
  EXPECT_EQ(25557032 + added_to("resnet50", {.kind = CBAMOptions{}}), 28089624);  // 28.09M
  EXPECT_EQ(added_to("resnet50", {.kind = BAMOptions{}}), 358067);                // 25.92M
  EXPECT_EQ(added_to("resnet50", {.kind = ECAOptions{}}), 3 * 5 + 4 * 5 + 6 * 5 + 3 * 7);
  EXPECT_EQ(added_to("resnet50", {.kind = TripletAttentionOptions{}}), 16 * 300);  // 25.56M
  EXPECT_EQ(added_to("resnet50", {.kind = SimAMOptions{}}), 0);
  EXPECT_EQ(25557032 + added_to("resnet50", {.kind = MHSAOptions{}}), 20838440);                    // BoTNet's 20.8M
  EXPECT_EQ(25028904 + added_to("resnext50_32x4d", {.kind = SelectiveKernelOptions{}}), 27479784);  // 27.5M
  EXPECT_EQ(3504872 + added_to("mobilenet_v2", {.kind = CoordAttentionOptions{}}), 3951504);        // 3.95M
}

/// The rows of the table in docs/attention.md: a type's keys, and its networks' counts.
TEST(Attention, ThePageHasTheCounts) {
  const AttentionKind kinds[] = {SEOptions{},
                                 ECAOptions{},
                                 CBAMOptions{},
                                 BAMOptions{},
                                 CoordAttentionOptions{},
                                 TripletAttentionOptions{},
                                 SimAMOptions{},
                                 GlobalContextOptions{},
                                 NonLocalOptions{},
                                 SelectiveKernelOptions{},
                                 MHSAOptions{}};
  std::ifstream file(INGOT_SOURCE_DIR "/docs/attention.md");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  for (const AttentionKind& kind : kinds) {
    const SkipInit skip;
    const size_t row = page.find(fmt::format("\n| `{}` |", name_of(kind)));
    ASSERT_NE(row, page.npos) << name_of(kind);
    const std::string line = page.substr(row + 1, page.find('\n', row + 1) - row - 1);
    const auto total = [&](const char* name) {
      return with_commas(parameter_count(*make_model(name, {.attention = AttentionOptions{.kind = kind}})));
    };
    EXPECT_TRUE(line.ends_with(fmt::format("| {} | {} |", total("resnet50"), total("mobilenet_v2"))))
        << line << "\n"
        << total("resnet50") << " | " << total("mobilenet_v2") << " |";
  }
}

TEST(Attention, CountsAreThoseOfTheHeader) {
  const int64_t c = 64, h = 4;
  const auto count = [&](const AttentionKind& kind) { return parameter_count(*make_attention(kind, {c, c})); };
  EXPECT_EQ(count(SEOptions{}), 2 * c * h + h + c);
  EXPECT_EQ(count(ECAOptions{}), 3);
  EXPECT_EQ(count(CBAMOptions{}), 2 * c * h + h + c + 2 * 49 + 2);
  EXPECT_EQ(count(BAMOptions{}), (2 * c * h + 3 * h + c) + (c * h + 18 * h * h + 10 * h + 1));
  EXPECT_EQ(count(CoordAttentionOptions{.reduction = 2}), 3 * c * 32 + 3 * 32 + 2 * c);
  EXPECT_EQ(count(CoordAttentionOptions{}), 3 * c * 8 + 3 * 8 + 2 * c);
  EXPECT_EQ(count(GlobalContextOptions{}), 2 * c * h + 2 * c + 3 * h + 1);
  EXPECT_EQ(count(NonLocalOptions{}), 4 * c * 32 + 3 * 32 + c);
  EXPECT_EQ(count(SelectiveKernelOptions{.groups = 2}), 2 * (9 * c * c / 2 + 2 * c) + c * 32 + 2 * 32 + 2 * c * 32);
  EXPECT_EQ(count(MHSAOptions{.size = Pair(7, 5)}), 3 * c * c + (2 * 7 + 2 * 5 - 2) * c / 4);
  EXPECT_EQ(count(TripletAttentionOptions{}), 300);
}

TEST(Attention, EcaSpansMoreOfMoreChannels) {
  const std::pair<int64_t, int64_t> known[] = {{1, 1}, {8, 3}, {64, 3}, {128, 5}, {256, 5}, {512, 5}, {2048, 7}};
  for (const auto& [channels, size] : known) EXPECT_EQ(eca_kernel_size(channels), size) << channels;
}

/// Those that start as the identity, to the bit, in training too.
const AttentionKind kIdentities[] = {SEOptions{.reduction = 4, .identity_start = true},
                                     ECAOptions{.identity_start = true},
                                     CBAMOptions{.reduction = 4, .identity_start = true},
                                     BAMOptions{.reduction = 4, .identity_start = true},
                                     CoordAttentionOptions{.identity_start = true},
                                     GlobalContextOptions{.reduction = 4},
                                     NonLocalOptions{}};

TEST(Attention, GatesCanStartAsTheIdentity) {
  const SeedScope seed(3);
  const Tensor x = normal({3, 16, 6, 5}, 0, 2, RandomKey{5});
  for (const AttentionKind& kind : kIdentities) {
    const auto module = make_attention(kind, {16, 16});
    EXPECT_EQ(module->call({x})[0].to_vector<float>(), x.to_vector<float>()) << name_of(kind);
    init_weights(*module, 7);
    EXPECT_EQ(module->call({x})[0].to_vector<float>(), x.to_vector<float>()) << name_of(kind) << ", drawn again";
    // And can leave it: some parameter has a gradient.
    backward(mean(square(module->call({x})[0])));
    double moved = 0;
    for (const Tensor& p : module->parameters())
      if (p.grad().defined()) moved += sum(abs(p.grad())).item<double>();
    EXPECT_GT(moved, 0) << name_of(kind);
  }
  TripletAttention triplet({.identity_start = true});  // its mean of three rounds
  EXPECT_THAT(triplet(x).to_vector<float>(), testing::Pointwise(testing::FloatNear(1e-6F), x.to_vector<float>()));
}

/// The scores of a network whose weights are drawn by their names.
template <class Network, class Options>
std::vector<float> scores(Options options, const std::optional<AttentionOptions>& attention) {
  options.num_classes = 4, options.in_channels = 1, options.attention = attention;
  const SkipInit drawn_below;
  Network net(options);
  init_weights(net, 11);
  net.eval();
  const NoGrad no_grad;
  return net(normal({2, 1, 32, 32}, 0, 1, RandomKey{5})).template to_vector<float>();
}

/// The base network, to the bit: each parameter is drawn by its name, and names stay.
TEST(Attention, ANetworkThatGainsAnIdentityComputesWhatItDid) {
  using enum AttentionPosition;
  const SEOptions se{.reduction = 4, .identity_start = true};
  const MobileNetV2Options small{.width_mult = 0.25};
  const auto mobile = scores<MobileNetV2>(small, {});
  for (const auto position : {inner, residual, output, stage})
    EXPECT_EQ(scores<MobileNetV2>(small, AttentionOptions{se, position}), mobile);
  for (const AttentionKind& kind : kIdentities)
    EXPECT_EQ(scores<MobileNetV2>(small, AttentionOptions{.kind = kind, .stages = {1, 3}}), mobile) << name_of(kind);
  const ResNetOptions shallow{.depth = 18};
  const auto residual_net = scores<ResNet>(shallow, {});
  for (const auto position : {inner, residual}) {
    const AttentionOptions attention{CBAMOptions{.identity_start = true}, position};
    EXPECT_EQ(scores<ResNet>(shallow, attention), residual_net);
  }
}

std::vector<std::string> modules_named(const Module& net, std::string_view last) {
  std::vector<std::string> names;
  for (const auto& [name, m] : net.named_modules())
    if (name.ends_with(last)) names.push_back(name);
  return names;
}

TEST(Attention, StandsWhereItIsToldTo) {
  const SkipInit skip;
  const auto places = [](const char* model, const AttentionOptions& o) {
    return modules_named(*make_model(model, {.attention = o}), ".attention");
  };
  using testing::ElementsAre;
  using testing::SizeIs;
  using enum AttentionPosition;
  EXPECT_THAT(places("resnet18", {.kind = SEOptions{}}), SizeIs(8));
  EXPECT_THAT(places("resnet18", {.kind = SEOptions{}, .stages = {1, 4}}),
              ElementsAre("layer1.0.attention", "layer1.1.attention", "layer4.0.attention", "layer4.1.attention"));
  EXPECT_THAT(places("resnet18", {.kind = SEOptions{}, .position = stage}),
              ElementsAre("layer1.1.attention", "layer2.1.attention", "layer3.1.attention", "layer4.1.attention"));
  EXPECT_THAT(places("resnet50", {.kind = BAMOptions{}}),
              ElementsAre("layer1.2.attention", "layer2.3.attention", "layer3.5.attention"));
  EXPECT_THAT(places("resnet50", {.kind = NonLocalOptions{}}), ElementsAre("layer4.2.attention"));
  EXPECT_THAT(places("resnet50", {.kind = MHSAOptions{}}),
              ElementsAre("layer4.0.attention", "layer4.1.attention", "layer4.2.attention"));
  EXPECT_THAT(places("mobilenet_v2", {.kind = SEOptions{}, .stages = {5}}),
              ElementsAre("features.14.conv.attention", "features.15.conv.attention", "features.16.conv.attention",
                          "features.17.conv.attention"));
  EXPECT_THAT(places("mobilenet_v2", {.kind = SEOptions{}, .position = stage, .stages = {2}}),
              ElementsAre("features.3.attention"));
  // In MobileNet v3 it stands in the place of squeeze and excitation, under that name.
  EXPECT_THAT(places("mobilenet_v3_small", {.kind = SEOptions{}}), SizeIs(0));
  const auto v3 = make_model("mobilenet_v3_small", {.attention = AttentionOptions{.kind = ECAOptions{}}});
  EXPECT_EQ(v3->submodule("features.1.block.1").type_name(), "ECA");
  EXPECT_EQ(v3->submodule("features.4.block.2").type_name(), "ECA");
  EXPECT_THAT(places("mobilenet_v3_small", {.kind = SEOptions{}, .position = residual}), SizeIs(11));

  const auto sk = make_model("resnet50", {.attention = AttentionOptions{.kind = SelectiveKernelOptions{}}});
  EXPECT_THAT(modules_named(*sk, "conv2"), SizeIs(0));
  EXPECT_THAT(modules_named(*sk, "bn2"), SizeIs(0));
  const auto bot = make_model("resnet50", {.attention = AttentionOptions{.kind = MHSAOptions{}}});
  EXPECT_THAT(modules_named(*bot, "conv2"), SizeIs(13));
  EXPECT_THAT(modules_named(*bot, "bn2"), SizeIs(16));
}

TEST(Attention, RunsInEveryNetworkThatTakesIt) {
  const SkipInit skip;  // it is the shapes that count
  const Tensor x = normal({2, 1, 64, 64}, 0, 1, RandomKey{5});
  const AttentionKind kinds[] = {SEOptions{.reduction = 4},
                                 ECAOptions{},
                                 CBAMOptions{.reduction = 4},
                                 BAMOptions{.reduction = 4},
                                 CoordAttentionOptions{},
                                 GlobalContextOptions{.reduction = 4},
                                 NonLocalOptions{},
                                 SelectiveKernelOptions{},
                                 SimAMOptions{},
                                 TripletAttentionOptions{},
                                 MHSAOptions{}};
  for (const char* name : {"resnet18", "mobilenet_v2", "mobilenet_v3_small"})
    for (const AttentionKind& kind : kinds) {
      const auto net = make_model(
          name, {.num_classes = 3, .in_channels = 1, .attention = AttentionOptions{.kind = kind, .stages = {4}}});
      for (Tensor p : net->parameters()) fill(p, 0.01);
      const auto copy = net->clone();
      net->eval(), copy->eval();
      const NoGrad no_grad;
      const Tensor found = net->call({x})[0];
      EXPECT_EQ(found.shape(), Shape({2, 3})) << name << " " << name_of(kind);
      EXPECT_EQ(found.to_vector<float>(), copy->call({x})[0].to_vector<float>());
    }
}

TEST(Attention, RefusesWhatCannotBe) {
  const SkipInit skip;
  const auto refusal = [](const char* model, const AttentionOptions& o) {
    return error_of([&] { make_model(model, {.attention = o}); });
  };
  using enum AttentionPosition;
  EXPECT_EQ(refusal("vgg11", {.kind = SEOptions{}}), "the model vgg11 has no option attention");
  EXPECT_EQ(refusal("resnet18", {.kind = SEOptions{}, .position = conv}),
            "SE cannot stand in the place of a convolution: its position is inner, residual, output or stage");
  EXPECT_EQ(refusal("resnet18", {.kind = MHSAOptions{}, .position = inner}),
            "MHSA stands in the place of a convolution: its position is conv");
  EXPECT_EQ(refusal("resnet18", {.kind = SEOptions{}, .stages = {5}}),
            "there is no stage 5: the network has stages 1 to 4");
  EXPECT_EQ(refusal("resnet18", {.kind = SEOptions{.reduction = 128}}),
            "[SE] reduction 128 leaves none of 64 channels");
  EXPECT_EQ(refusal("resnet18", {.kind = MHSAOptions{.heads = 7}}), "[MHSA] 512 channels do not divide into 7 heads");
  EXPECT_EQ(refusal("resnet18", {.kind = ECAOptions{.kernel_size = 4}}), "[ECA] kernel_size is 4, it must be odd");
  EXPECT_EQ(refusal("resnet18", {.kind = SimAMOptions{.lambda = 0}}),
            "[SimAM] lambda is 0, it must be positive: a plane of one colour has no variance");
  EXPECT_EQ(refusal("resnet18", {.kind = SelectiveKernelOptions{.branches = 1}}),
            "[SelectiveKernel] branches is 1, there must be at least 2 to select from");
  MHSA attention(8, 8, {.size = Pair(4, 4)});
  EXPECT_EQ(error_of([&] { attention(zeros({1, 8, 4, 5})); }),
            "[MHSA] x is [1, 8, 4, 5], it was built for planes 4 x 4");
  EXPECT_EQ(error_of([] { SimAM()(zeros({2, 3})); }), "[SimAM] x is [2, 3], it must be [N,C,H,W]");
}

}  // namespace
}  // namespace ingot
