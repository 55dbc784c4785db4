#include <gmock/gmock.h>

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

/// Image `at` of a batch whose other images are others.
Tensor among_others(const Tensor& image, int64_t at, int64_t batch) {
  Tensors images;
  for (int64_t i = 0; i < batch; ++i)
    images.push_back(i == at ? image : random(image.shape(), 1000 + static_cast<uint64_t>(i)));
  return concat(images, 0);
}

TEST(Deterministic, AnImagesBitsDependOnItAlone) {
  const Graph graph = layers();
  const Tensor image = random({1, 3, 37, 41}, 50);
  const int threads = num_threads();
  for (const Math math : {Math::strict, Math::fast}) {
    const Engine engine = compile(graph, {.math = math, .deterministic = true});
    expect_runs_as(engine, graph, {1, 3, 8});
    const std::vector<float> want = Context(engine).run({image})[0].to_vector<float>();
    for (const int count : {1, 2, 4}) {
      set_num_threads(count);
      Context context(engine);
      for (const auto& [at, batch] : {std::pair<int64_t, int64_t>{0, 1}, {0, 3}, {2, 3}, {6, 7}, {3, 8}}) {
        const Tensor scores = context.run({among_others(image, at, batch)})[0];
        EXPECT_EQ(slice(scores, 0, at, at + 1).to_vector<float>(), want)
            << count << " threads, image " << at << " of " << batch;
      }
    }
    set_num_threads(threads);
  }
}

TEST(Deterministic, TakesNoImplementationThatVaries) {
  BuildReport report;
  compile(layers(), {.deterministic = true}, &report);
  int products = 0;
  for (const TacticChoice& choice : report.tactics) {
    EXPECT_NE(choice.chosen, "onednn_packed") << choice.step;
    if (!choice.op.starts_with("conv2d") && !choice.op.starts_with("linear")) continue;
    EXPECT_NE(choice.chosen, "eval") << choice.step;
    ++products;
  }
  EXPECT_EQ(products, 6);
  const auto product = [](const Tensors& in) { return Tensors{matmul(in[0], in[1])}; };
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
    for (const TacticChoice& choice : report.tactics) EXPECT_EQ(choice.chosen, "gemm") << choice.op;
  }
}

}  // namespace
}  // namespace ingot::testing
