#include <gmock/gmock.h>

#include <filesystem>

#include "base/isa.h"
#include "kernels/conv.h"
#include "networks.h"

// Inception-like modules: 1x1 convolutions of one value as one step of several results.
namespace ingot::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

constexpr const char* kOwn[] = {"gemm", "gemm_siblings"};
constexpr const char* kAll[] = {"eval", "onednn_packed", "gemm", "gemm_siblings"};
constexpr int64_t kChannels = 21;

Tensor conv(const Tensor& x, int64_t outputs, int64_t kernel, uint64_t key) {
  const Shape weight{outputs, x.shape()[1], kernel, kernel};
  return conv2d(x, random(weight, key) * 0.3, random({outputs}, key + 1), {.padding = kernel / 2});
}

/// One sibling goes into the concat, one is filtered again, one is neither and has a residual; no width is a multiple
/// of a vector's.
Tensors module(const Tensors& in) {
  const Tensor x = tanh(in[0]), other = sigmoid(in[1]);
  const Tensor a = relu(conv(x, 19, 1, 1)), reduced = relu6(conv(x, 9, 1, 3));
  const Tensor added = silu(conv(x, 13, 1, 5) + other);
  const Tensor pooled = conv(max_pool2d(x, {.kernel = 3, .stride = Pair(1), .padding = 1}), 6, 1, 7);
  return {concat({a, relu(conv(reduced, 11, 3, 9)), pooled}, 1), added * 2.0};
}
/// Two siblings alone: one is an output of the graph, the other's activation has a parameter.
Tensors pair(const Tensors& in) {
  const Tensor x = tanh(in[0]);
  return {conv2d(x, random({5, kChannels, 1, 1}, 1), {}, {.stride = 2}),
          leaky_relu(conv2d(x, random({40, kChannels, 1, 1}, 2), {}, {.stride = 2}), 0.2) * in[1]};
}
/// All results of the step lie in concats, of which there are two.
Tensors two_concats(const Tensors& in) {
  const Tensor x = tanh(in[0]);
  const Tensor a = hardsigmoid(conv(x, 8, 1, 1)), b = conv(x, 5, 1, 3), c = relu(conv(x, 12, 1, 5));
  const Tensor d = gelu(conv(x, 3, 1, 7));
  return {concat({in[1], b, a}, 1) * 2.0, concat({c, relu(in[1]), d}, 1) * 3.0};
}

struct Network {
  const char* name;
  Tensors (*run)(const Tensors&);
  Shape other;  // of the second input
  Graph graph(int64_t height = 9, int64_t width = 7) const {
    return traced(run, {{4, kChannels, height, width}, other});
  }
};
const Network kModule{"module", module, {4, 13, 9, 7}};
const Network kPair{"pair", pair, {4, 40, 5, 4}};
const Network kTwoConcats{"two concats", two_concats, {4, 13, 9, 7}};
const Network kNetworks[] = {kModule, kPair, kTwoConcats};

/// The merged step's choice. There is one.
TacticChoice merged(const BuildReport& report) {
  TacticChoice found;
  for (const TacticChoice& choice : report.tactics)
    if (choice.op == "conv2d_siblings") found = choice;
  EXPECT_FALSE(found.step.empty());
  return found;
}

Engine compiled(const Graph& graph, const std::string& tactic, CompileOptions options = {},
                BuildReport* report = nullptr) {
  BuildReport first, mine;
  options.time_tactics = false;
  compile(graph, options, &first);
  options.forced_tactics = {{merged(first).step, tactic}};
  report = report != nullptr ? report : &mine;
  Engine engine = compile(graph, options, report);
  EXPECT_EQ(merged(*report).chosen, tactic);
  return engine;
}

TEST(Siblings, EveryTacticRunsAsTheGraph) {
  for (const Network& network : kNetworks)
    for (const char* tactic : kAll) {
      SCOPED_TRACE(::testing::Message() << network.name << ", " << tactic);
      const Graph graph = network.graph();
      expect_runs_as(compiled(graph, tactic), graph, {1, 3, 8, 3});
      if (HasFailure()) return;
    }
}

TEST(Siblings, AreTimedTogetherAndOneByOne) {
  const Graph graph = kModule.graph();
  BuildReport report;
  expect_runs_as(compile(graph, {}, &report), graph, {1, 3});
  const TacticChoice choice = merged(report);
  EXPECT_THAT(choice.times, SizeIs(std::size(kAll)));
  for (const char* tactic : kAll) EXPECT_THAT(choice.times, Contains(Field(&TacticTime::tactic, tactic)));
}

TEST(Siblings, WithoutThePassTheyAreApart) {
  const Graph graph = kModule.graph();
  const Engine engine = compile(graph, {.disabled_passes = {"merge_sibling_convolutions"}, .time_tactics = false});
  EXPECT_THAT(engine.text(), AllOf(HasSubstr("conv2d_fused("), Not(HasSubstr("conv2d_siblings("))));
  expect_runs_as(engine, graph, {1, 3});
}

TEST(Siblings, HaveTheBitsThatTheyHaveApart) {
  for (const Network& network : kNetworks) {
    const Graph graph = network.graph();
    const Tensors inputs = random_inputs(graph, 3, 40);
    const Engine apart = compile(
        graph, {.disabled_passes = {"merge_sibling_convolutions"}, .deterministic = true, .time_tactics = false});
    for (const char* tactic : kOwn) {
      const Engine engine = compiled(graph, tactic, {.deterministic = true});
      EXPECT_EQ(values(engine.run(inputs)), values(apart.run(inputs))) << network.name << ", " << tactic;
    }
  }
}

TEST(Siblings, AreWrittenStraightIntoSlicesOfConcats) {
  if (active_isa() < Isa::avx2) GTEST_SKIP() << "our own convolution is not chosen without vectors";
  for (const Network& network : {kModule, kTwoConcats})
    for (const char* tactic : kOwn) {
      SCOPED_TRACE(::testing::Message() << network.name << ", " << tactic);
      const Graph graph = network.graph();
      BuildReport report;
      const Engine engine = compiled(graph, tactic, {}, &report);
      int in_place = 0;
      for (const ConcatPart& part : report.concat_parts) in_place += part.in_place;
      EXPECT_EQ(in_place, network.run == module ? 3 : 5);
      EXPECT_EQ(merged(report).strided, 0);
      const int64_t before = kernels::strided_copies();
      engine.run(random_inputs(graph, 3, 1));
      EXPECT_EQ(kernels::strided_copies() - before, 0);
    }
}

TEST(Siblings, AllTheirWeightsComeFromAFile) {
  const auto path = std::filesystem::path(::testing::TempDir()) / "ingot_siblings.ingot";
  for (const Network& network : kNetworks)
    for (const char* tactic : kAll) {
      SCOPED_TRACE(::testing::Message() << network.name << ", " << tactic);
      const Graph graph = network.graph();
      const Engine made = compiled(graph, tactic);
      made.save(path);
      const Engine loaded = Engine::load(path, {.verify = true});
      EXPECT_EQ(loaded.text(), made.text());
      const Tensors inputs = random_inputs(graph, 3, 7);
      EXPECT_EQ(values(loaded.run(inputs)), values(made.run(inputs)));
      expect_runs_as(loaded, graph, {1, 3});
    }
}

TEST(Siblings, AnImagesBitsDependOnItAloneAndNotOnTheTactic) {
  const Graph graph = kPair.graph();
  std::vector<std::vector<float>> want;
  for (const char* tactic : kOwn) {
    SCOPED_TRACE(tactic);
    const auto got = expect_bits_of_the_image_alone(compiled(graph, tactic, {.deterministic = true}), graph);
    if (want.empty()) want = got;
    EXPECT_EQ(got, want);
  }
}

TEST(Siblings, OtherElementTypesRunToo) {
  for (const DType dtype : {DType::f64, DType::bf16}) {
    const Graph graph = trace(
                            [&](const Tensors& in) {
                              const Tensor v = cast(random({3, 6, 1, 1}, 1), dtype);
                              const Tensor w = cast(random({5, 6, 1, 1}, 2), dtype);
                              return Tensors{relu(conv2d(in[0], v)), conv2d(in[0], w)};
                            },
                            {{"x", dtype, {3, 6, 7, 7}}})
                            .graph;
    BuildReport report;
    const Engine engine = compile(graph, {.time_tactics = false}, &report);
    EXPECT_THAT(merged(report).chosen, Not(HasSubstr("gemm")));
    expect_runs_as(engine, graph, {3}, dtype == DType::f64 ? 1e-12 : 1e-2);
  }
}

}  // namespace
}  // namespace ingot::testing
