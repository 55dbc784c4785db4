#include <gmock/gmock.h>

#include <filesystem>

#include "networks.h"

// Blocks of mobile networks: a depthwise convolution and the 1x1 after it as one step.
namespace ingot::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

constexpr const char* kOwn[] = {"depthwise+gemm", "depthwise_pointwise"};
constexpr const char* kAll[] = {
    "eval",           "onednn_packed+onednn_packed", "onednn_packed+gemm", "depthwise+onednn_packed",
    "depthwise+gemm", "depthwise_pointwise"};

struct Block {
  int64_t channels, outputs, kernel, stride;
  Activation activation;
  bool residual = false;
  Activation last = Activation::none;

  /// `other` is the residual, where there is one. Both have a bias, as networks when their batch norms are folded, or
  /// none has.
  Tensor operator()(const Tensor& x, const Tensor& other, bool biases = true) const {
    const auto bias = [&](int64_t count, uint64_t key) {
      return biases ? std::optional(random({count}, key)) : std::nullopt;
    };
    const Tensor between = activate(conv2d(x, random({channels, 1, kernel, kernel}, 1), bias(channels, 2),
                                           {.stride = stride, .padding = kernel / 2, .groups = channels}),
                                    activation, 0.1);
    const Tensor y = conv2d(between, random({outputs, channels, 1, 1}, 3), bias(outputs, 4));
    return activate(residual ? y + other : y, last, 0.1);
  }
};

const Block kBlocks[] = {
    {.channels = 24, .outputs = 24, .kernel = 3, .stride = 1, .activation = Activation::relu6, .residual = true},
    {.channels = 21, .outputs = 10, .kernel = 3, .stride = 2, .activation = Activation::relu6},
    {.channels = 40, .outputs = 17, .kernel = 5, .stride = 1, .activation = Activation::hardswish},
    {.channels = 13, .outputs = 48, .kernel = 5, .stride = 2, .activation = Activation::relu},
    {.channels = 9,
     .outputs = 9,
     .kernel = 3,
     .stride = 1,
     .activation = Activation::hardsigmoid,
     .residual = true,
     .last = Activation::leaky_relu},
    {.channels = 32, .outputs = 3, .kernel = 7, .stride = 1, .activation = Activation::none, .last = Activation::gelu},
};

Graph graph_of(const Block& block, int64_t height, int64_t width, bool biases = true) {
  // The residual is another step's result, in whose memory the sum may be made.
  return traced([&](const Tensors& in) { return Tensors{block(in[0], tanh(in[0]), biases) * 2.0}; },
                {{4, block.channels, height, width}});
}

/// The fused step's choice. There is one.
TacticChoice fused(const BuildReport& report) {
  TacticChoice found;
  for (const TacticChoice& choice : report.tactics)
    if (choice.op == "conv2d_depthwise_pointwise") found = choice;
  EXPECT_FALSE(found.step.empty());
  return found;
}

std::string fused_step(const Graph& graph) {
  BuildReport report;
  compile(graph, {.time_tactics = false}, &report);
  return fused(report).step;
}

Engine compiled(const Graph& graph, const std::string& tactic, CompileOptions options = {}) {
  options.time_tactics = false;
  options.forced_tactics = {{fused_step(graph), tactic}};
  BuildReport report;
  Engine engine = compile(graph, options, &report);
  EXPECT_EQ(fused(report).chosen, tactic);
  return engine;
}

TEST(DepthwisePointwise, EveryTacticRunsAsTheGraph) {
  for (size_t i = 0; i < std::size(kBlocks); ++i)
    for (const char* tactic : kAll) {
      SCOPED_TRACE(::testing::Message() << "block " << i << ", " << tactic);
      const Graph graph = graph_of(kBlocks[i], 15, 11, i % 2 == 0);
      expect_runs_as(compiled(graph, tactic), graph, {1, 3, 8, 3});
      if (HasFailure()) return;
    }
}

TEST(DepthwisePointwise, IsTimedAgainstThePair) {
  const Graph graph = graph_of(kBlocks[0], 14, 14);
  BuildReport report;
  expect_runs_as(compile(graph, {}, &report), graph, {1, 3});
  const TacticChoice choice = fused(report);
  EXPECT_THAT(choice.times, SizeIs(std::size(kAll)));
  for (const char* tactic : kAll) EXPECT_THAT(choice.times, Contains(Field(&TacticTime::tactic, tactic)));
  for (const TacticTime& other : choice.times) {
    const auto chosen = std::find_if(choice.times.begin(), choice.times.end(),
                                     [&](const TacticTime& t) { return t.tactic == choice.chosen; });
    EXPECT_LE(chosen->seconds, other.seconds);
  }
}

TEST(DepthwisePointwise, UntimedItIsOneKernel) {
  BuildReport report;
  compile(graph_of(kBlocks[0], 14, 14), {.time_tactics = false}, &report);
  EXPECT_EQ(fused(report).chosen, "depthwise_pointwise");
}

TEST(DepthwisePointwise, WithoutThePassTheTwoAreApart) {
  const Graph graph = graph_of(kBlocks[0], 14, 14);
  const Engine engine = compile(graph, {.disabled_passes = {"fuse_depthwise_pointwise"}, .time_tactics = false});
  EXPECT_THAT(engine.text(), AllOf(HasSubstr("conv2d_fused("), Not(HasSubstr("conv2d_depthwise_pointwise("))));
  expect_runs_as(engine, graph, {1, 3});
}

TEST(DepthwisePointwise, BothWeightsComeFromAFile) {
  const auto path = std::filesystem::path(::testing::TempDir()) / "ingot_depthwise_pointwise.ingot";
  for (const char* tactic : kAll) {
    SCOPED_TRACE(tactic);
    const Graph graph = graph_of(kBlocks[1], 9, 13);
    const Engine made = compiled(graph, tactic);
    made.save(path);
    const Engine loaded = Engine::load(path, {.verify = true});
    EXPECT_EQ(loaded.text(), made.text());
    expect_runs_as(loaded, graph, {1, 3});
  }
}

// The array between the two takes no memory but in the pair, where it is scratch memory.
TEST(DepthwisePointwise, TheArrayBetweenIsNotMade) {
  const Block block{.channels = 64, .outputs = 8, .kernel = 3, .stride = 1, .activation = Activation::relu6};
  const Graph graph = graph_of(block, 56, 56);
  const size_t between = 4 * 64 * 56 * 56 * sizeof(float);
  EXPECT_GE(compiled(graph, "depthwise+gemm").memory().peak, between);
  EXPECT_LT(compiled(graph, "depthwise_pointwise").memory().peak, between / 2);
}

TEST(DepthwisePointwise, TheSumIsMadeInItsOperandsMemory) {
  for (const char* tactic : kOwn) {
    const Engine engine = compiled(graph_of(kBlocks[0], 14, 14), tactic);
    std::istringstream lines(engine.describe());
    std::string line;
    while (std::getline(lines, line) && line.find("conv2d_depthwise_pointwise") == std::string::npos) {
    }
    EXPECT_THAT(line, AllOf(HasSubstr(tactic), HasSubstr("in place")));
  }
}

// Channel slices of wider arrays, as in ShuffleNet, are read and written where they lie.
TEST(DepthwisePointwise, TakesSlices) {
  const Block block{
      .channels = 16, .outputs = 16, .kernel = 3, .stride = 1, .activation = Activation::none, .residual = true};
  const Graph graph = traced(
      [&](const Tensors& in) {
        const Tensor x = relu(in[0]), half = slice(x, 1, 16, 32);
        return Tensors{concat({slice(x, 1, 0, 16), block(half, half)}, 1) * 2.0};
      },
      {{4, 32, 9, 9}});
  for (const char* tactic : kOwn) {
    SCOPED_TRACE(tactic);
    BuildReport report;
    const Engine engine =
        compile(graph, {.time_tactics = false, .forced_tactics = {{fused_step(graph), tactic}}}, &report);
    expect_runs_as(engine, graph, {1, 3});
    EXPECT_EQ(report.concat_parts[1].in_place, fused(report).strided == 0) << report.concat_parts[1].reason;
  }
}

TEST(DepthwisePointwise, AnImagesBitsDependOnItAloneAndNotOnTheTactic) {
  for (const Block& block : kBlocks) {
    const Graph graph = graph_of(block, 15, 12);
    std::vector<std::vector<float>> want;
    for (const char* tactic : kOwn) {
      SCOPED_TRACE(tactic);
      const auto got = expect_bits_of_the_image_alone(compiled(graph, tactic, {.deterministic = true}), graph);
      if (want.empty()) want = got;
      EXPECT_EQ(got, want);
    }
  }
}

TEST(DepthwisePointwise, OtherElementTypesRunToo) {
  for (const DType dtype : {DType::f64, DType::bf16}) {
    const Graph graph = trace(
                            [&](const Tensors& in) {
                              const Tensor w = cast(random({6, 1, 3, 3}, 1), dtype);
                              const Tensor v = cast(random({5, 6, 1, 1}, 2), dtype);
                              return Tensors{conv2d(relu(conv2d(in[0], w, {}, {.padding = 1, .groups = 6})), v)};
                            },
                            {{"x", dtype, {3, 6, 7, 7}}})
                            .graph;
    BuildReport report;
    const Engine engine = compile(graph, {.time_tactics = false}, &report);
    EXPECT_THAT(fused(report).chosen, Not(HasSubstr("depthwise")));
    expect_runs_as(engine, graph, {3}, dtype == DType::f64 ? 1e-12 : 1e-2);
  }
}

}  // namespace
}  // namespace ingot::testing
