#include <gmock/gmock.h>

#include "ingot/models.h"
#include "ingot/threads.h"
#include "networks.h"

// Engines whose bits depend on the image alone, and linear layers on our own products.
namespace ingot::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

/// Of every kind of layer that a vision network has.
Graph layers() {
  return traced(
      [](const Tensors& in) {
        Tensor h = relu(conv2d(in[0], random({16, 3, 5, 5}, 1), random({16}, 2), {.stride = 2, .padding = 2}));
        h = max_pool2d(h, {.kernel = 2});
        const Tensor wide = silu(conv2d(h, random({48, 16, 3, 3}, 3), random({48}, 4), {.padding = 1}));
        h = relu6(conv2d(wide, random({48, 1, 3, 3}, 5), {}, {.padding = 1, .groups = 48}));
        h = conv2d(h, random({48, 48, 1, 1}, 6), random({48}, 7)) + wide;
        h = conv2d(h, random({48, 12, 3, 3}, 8), {}, {.padding = 1, .groups = 4});
        h = concat({avg_pool2d(h, {.kernel = 2}), max_pool2d(wide, {.kernel = 2, .stride = 2})}, 1);
        h = layer_norm(mean(h, {2, 3}), {96}, random({96}, 9), random({96}, 10), 1e-5);
        h = gelu(linear(h, random({70, 96}, 11), random({70}, 12)));
        return Tensors{softmax(linear(h, random({10, 70}, 13)), 1)};
      },
      {{4, 3, 37, 41}});
}

/// Attention over patches.
Graph transformer() {
  const SeedScope seed(3);
  VisionTransformer net({.image_size = 24,
                         .patch_size = 4,
                         .num_layers = 2,
                         .num_heads = 3,
                         .hidden_dim = 48,
                         .mlp_dim = 80,
                         .num_classes = 10});
  net.eval();
  uint64_t key = 0;  // what starts at 0 takes part too
  for (Tensor p : net.parameters()) copy_into(p, random(p.shape(), ++key) * 0.2);
  const InputSpec x{.name = "x", .shape = {Dim::symbol("n", 4), 3, 24, 24}};
  return trace([&](const Tensors& in) { return Tensors{net.forward(in[0])}; }, {x}, net.named_tensors(),
               {.ranges = {{"n", {.example = 4, .min = 1, .max = 8}}}})
      .graph;
}

void expect_deterministic(const Graph& graph) {
  for (const Math math : {Math::strict, Math::fast}) {
    const Engine engine = compile(graph, {.math = math, .deterministic = true});
    expect_runs_as(engine, graph, {1, 3, 8});
    expect_bits_of_the_image_alone(engine, graph);
  }
}

TEST(Deterministic, AnImagesBitsDependOnItAlone) { expect_deterministic(layers()); }

TEST(Deterministic, AnImagesBitsDependOnItAloneInATransformer) {
  const Graph graph = transformer();
  expect_deterministic(graph);
  BuildReport report;
  compile(graph, {.deterministic = true}, &report);
  for (const TacticChoice& choice : report.tactics) {
    if (choice.op != "matmul" && !choice.op.starts_with("linear")) continue;
    EXPECT_TRUE(choice.chosen.starts_with("gemm")) << choice.step << ": " << choice.chosen;
  }
}

TEST(Deterministic, TakesNoImplementationThatVaries) {
  BuildReport report;
  compile(layers(), {.deterministic = true}, &report);
  int products = 0;
  for (const TacticChoice& choice : report.tactics) {
    EXPECT_THAT(choice.chosen, ::testing::Not(HasSubstr("onednn"))) << choice.step;
    if (!choice.op.starts_with("conv2d") && !choice.op.starts_with("linear")) continue;
    EXPECT_NE(choice.chosen, "eval") << choice.step;
    ++products;
  }
  EXPECT_EQ(products, 6);
  const auto product = [](const Tensors& in) {
    return Tensors{matmul(cast(in[0], DType::bf16), cast(in[1], DType::bf16))};
  };
  EXPECT_THAT([&] { compile(traced(product, {{4, 5, 6}, {4, 6, 7}}), {.deterministic = true}); },
              ThrowsMessage<Error>(HasSubstr("deterministic: no implementation has the same bits")));
  const std::string step = report.tactics[0].step;
  EXPECT_THAT([&] { compile(layers(), {.deterministic = true, .forced_tactics = {{step, "onednn_packed"}}}); },
              ThrowsMessage<Error>(HasSubstr("'onednn_packed' does not support this call in a deterministic engine")));
}

TEST(Deterministic, LinearLayersOfAnyRankRunOnProducts) {
  for (const Shape& shape : {Shape{4, 33}, Shape{4, 3, 33}, Shape{4, 1, 2, 3, 33}}) {
    const Graph graph = traced(
        [](const Tensors& in) {
          const Tensor h = hardsigmoid(linear(in[0], random({40, 33}, 1), random({40}, 2)));
          return Tensors{linear(h, random({5, 40}, 3))};
        },
        {shape});
    BuildReport report;
    expect_runs_as(compile(graph, {.deterministic = true}, &report), graph, {1, 4, 3});
    for (const TacticChoice& choice : report.tactics) EXPECT_NE(choice.chosen, "eval") << choice.op;
  }
}

// Rows that are no runs of features, and weights that are no constants, are packed at every call.
TEST(Deterministic, LinearLayersOfAnyStridesRunOnProducts) {
  const Graph graph = traced(
      [](const Tensors& in) {
        const Tensor planes = relu(conv2d(in[0], random({8, 3, 3, 3}, 1), {}, {.padding = 1}));
        return Tensors{gelu(linear(planes, in[1]))};
      },
      {{4, 3, 6, 17}, {4, 17}});
  BuildReport report;
  expect_runs_as(compile(graph, {.deterministic = true}, &report), graph, {1, 4, 3});
  EXPECT_EQ(report.tactics.back().chosen, "gemm_unpacked") << report.tactics.back().op;
}

}  // namespace
}  // namespace ingot::testing
