#include <gmock/gmock.h>

#include <thread>

#include "count_allocations.h"
#include "networks.h"

namespace ingot::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const CompileOptions kQuick{.time_tactics = false};

Tensor conv3(const Tensor& x, int64_t channels, uint64_t key) {
  return conv2d(x, random({channels, x.shape()[1], 3, 3}, key) * 0.3, random({channels}, key + 1), {.padding = 1});
}

/// A little of everything that shares memory: residuals, a concat, views.
Tensors residual_net(const Tensors& in) {
  Tensor x = relu(conv3(in[0], 8, 1));
  for (uint64_t i = 0; i < 3; ++i) x = relu(conv3(relu(conv3(x, 8, 10 * i + 2)), 8, 10 * i + 4) + x);
  x = concat({x, max_pool2d(x, {.kernel = 3, .stride = Pair(1), .padding = 1})}, 1);
  return {linear(flatten(adaptive_avg_pool2d(x, 1), 1), random({5, 16}, 70), random({5}, 71))};
}
Graph residual_graph() { return traced(residual_net, {{4, 3, 9, 11}}); }

std::vector<double> values(const Tensor& x) { return x.to_vector<double>(); }

TEST(Run, AnyBatchInAnyOrder) {
  const Graph graph = residual_graph();
  expect_runs_as(compile(graph, kQuick), graph, {1, 2, 3, 4, 5, 6, 7, 8, 1, 8, 3});
}

TEST(Run, KeepsAFewSizesAndForgetsTheOldest) {
  const Graph graph = residual_graph();
  const Engine engine = compile(graph, kQuick);
  Context context(engine, {.kept_sizes = 2});
  for (const int64_t batch : {1, 2, 3, 1, 2, 3, 8, 1}) {
    const Tensors in = random_inputs(graph, batch, 5);
    expect_close(context.run(in)[0], interpret(graph, in)[0], 1e-5, "batch " + std::to_string(batch));
  }
}

TEST(Run, MemoryIsSharedBetweenResults) {
  const MemoryPlan memory = compile(residual_graph(), kQuick).memory({{"n", 8}});
  EXPECT_LT(memory.peak, memory.sum / 2);
  EXPECT_EQ(memory.inputs, 8U * 3 * 9 * 11 * 4);
  EXPECT_EQ(memory.outputs, 8U * 5 * 4);
}

TEST(Run, ContextsOnTwoThreadsShareAnEngine) {
  const Graph graph = residual_graph();
  const Engine engine = compile(graph, kQuick);
  const auto work = [&](uint64_t key) {
    Context context(engine);
    for (int i = 0; i < 20; ++i) {
      const Tensors in = random_inputs(graph, 1 + (i + static_cast<int64_t>(key)) % 8, key);
      ASSERT_EQ(values(context.run(in)[0]), values(engine.run(in)[0]));
    }
  };
  std::thread other(work, 2);
  work(3);
  other.join();
}

TEST(Run, WritesIntoTheCallersTensors) {
  const Graph graph = residual_graph();
  const Engine engine = compile(graph, kQuick);
  Context context(engine);
  const Tensors in = random_inputs(graph, 3, 5);
  const Tensor want = context.run(in)[0];
  Tensors dense{empty({3, 5})}, strided{slice(empty({3, 10}), 1, 0, 10, 2)};
  context.run(in, dense);
  EXPECT_EQ(values(dense[0]), values(want));
  context.run(in, strided);
  EXPECT_EQ(values(strided[0]), values(want));
}

TEST(Run, TakesInputsOfAnyStrides) {
  const Graph graph = residual_graph();
  const Engine engine = compile(graph, kQuick);
  Context context(engine);
  const Tensors in = random_inputs(graph, 3, 5);
  const Tensor want = context.run(in)[0];
  Tensor row_major = empty({3, 3, 9, 11}, DType::f32, Layout::row_major);
  copy_into(row_major, in[0]);
  EXPECT_EQ(values(context.run({row_major})[0]), values(want));
  Tensor wide = empty({3, 6, 9, 11});
  Tensor part = slice(wide, 1, 1, 4);
  copy_into(part, in[0]);
  EXPECT_EQ(values(context.run({part})[0]), values(want));
}

TEST(Run, OutputsThatAreInputsViewsOrEachOther) {
  expect_compiles(
      [](const Tensors& in) {
        const Tensor y = relu(in[0]);
        return Tensors{in[0], y, y, flatten(y, 1), slice(y, 1, 0, 1), y * 2.0, flatten(in[0], 1)};
      },
      {{4, 3, 2, 2}});
  expect_compiles([](const Tensors& in) { return Tensors{flatten(relu(in[0]), 1)}; }, {{4, 3, 2, 2}});
}

// A result may take over an operand's memory only if no other operand is another view of it.
TEST(Run, ViewsOfOneTensorInOneCall) {
  expect_compiles(
      [](const Tensors& in) {
        const Tensor a = in[0] * 2.0, b = in[0] * 3.0, c = in[0] - 1.0, d = in[0] + 1.0;
        return Tensors{a + transpose(a, 2, 3), b * slice(b, 1, 0, 1), c - c,
                       maximum(slice(d, 1, 0, 2), slice(d, 1, 1, 3))};
      },
      {{4, 3, 5, 5}});
}

// The same convolution reads what its result would take over.
TEST(Run, AResidualThatIsTheInput) {
  expect_compiles(
      [](const Tensors& in) {
        const Tensor x = relu(in[0]);
        return Tensors{relu(conv3(x, 3, 1) + x) * 2.0};
      },
      {{4, 3, 5, 5}});
}

TEST(Run, AnOutlivedOperandIsNotTakenOver) {
  expect_compiles(
      [](const Tensors& in) {
        const Tensor x = in[0] * 2.0, flat = flatten(x, 1), y = relu(x), z = tanh(x);
        return Tensors{y + z, flat * 3.0, slice(y, 1, 0, 1)};
      },
      {{4, 3, 5, 5}});
}

TEST(Run, RefusesWhatDoesNotFit) {
  const Engine engine = compile(residual_graph(), kQuick);
  Context context(engine);
  const auto run = [&](const Tensors& in, Tensors out = Tensors(1)) {
    return [&context, in, out] {
      Tensors outputs = out;
      context.run(in, outputs);
    };
  };
  EXPECT_THAT(run({}), ThrowsMessage<Error>(HasSubstr("1 inputs, 0 are given")));
  EXPECT_THAT(run({Tensor()}), ThrowsMessage<Error>(HasSubstr("'x0' has no data")));
  EXPECT_THAT(run({zeros({2, 3, 9})}), ThrowsMessage<Error>(HasSubstr("the engine wants f32[n, 3, 9, 11]")));
  EXPECT_THAT(run({zeros({2, 3, 9, 11}, DType::f64)}), ThrowsMessage<Error>(HasSubstr("is f64")));
  EXPECT_THAT(run({zeros({2, 3, 9, 12})}), ThrowsMessage<Error>(HasSubstr("the engine wants [n, 3, 9, 11]")));
  EXPECT_THAT(run({zeros({9, 3, 9, 11})}), ThrowsMessage<Error>(HasSubstr("n = 9 is outside 1..8")));
  EXPECT_THAT(run({zeros({2, 3, 9, 11})}, {zeros({2, 6})}),
              ThrowsMessage<Error>(HasSubstr("the engine makes f32[2, 5]")));
  const Tensor shared = zeros({2 * 3 * 9 * 11});
  EXPECT_THAT(run({reshape(shared, {2, 3, 9, 11})}, {reshape(slice(shared, 0, 0, 10), {2, 5})}),
              ThrowsMessage<Error>(HasSubstr("shares memory with an input")));
}

TEST(Run, ObservesTensorsByName) {
  const Graph graph =
      traced([](const Tensors& in) { return Tensors{flatten(relu(in[0] * 2.0), 1) + 1.0}; }, {{4, 3, 2, 2}});
  const Engine engine = compile(graph, kQuick);
  const Tensors in = random_inputs(graph, 2, 5);
  std::map<std::string, Tensor, std::less<>> got;
  const auto keep = [&](std::string_view name, const Tensor& x) { got[std::string(name)] = x; };
  Context context(engine, {.guard = true});
  std::vector<std::string> names;
  interpret(graph, in, [&](const Value& value, const Tensor&) { names.push_back(value.name); });
  context.run(in, {.observe = names, .seen = keep});
  EXPECT_EQ(got.size(), names.size());
  interpret(graph, in, [&](const Value& value, const Tensor& x) { EXPECT_EQ(values(got[value.name]), values(x)); });
  EXPECT_THAT([&] { context.run(in, {.observe = {"rellu"}, .seen = keep}); },
              ThrowsMessage<Error>(HasSubstr("no tensor 'rellu'; did you mean 'relu'")));
}

TEST(Run, ProfilesAndDescribes) {
  const Engine engine = compile(residual_graph(), kQuick);
  Context context(engine);
  Profile profile;
  for (int i = 0; i < 3; ++i) context.run(random_inputs(residual_graph(), 4, 5), {.profile = &profile});
  EXPECT_EQ(profile.runs, 3U);
  const std::string text = engine.describe({{"n", 4}}, &profile);
  EXPECT_THAT(text, HasSubstr("conv2d_fused"));
  EXPECT_THAT(text, HasSubstr("onednn_packed"));
  EXPECT_THAT(text, HasSubstr("f32[4, 8, 9, 11]"));
  EXPECT_THAT(engine.text(), HasSubstr("size n = 4 in 1..8"));
}

// Allocations of one warm run.
int64_t allocations(const TracedFunction& fn, const std::vector<Shape>& shapes) {
  const Graph graph = traced(fn, shapes);
  const Engine engine = compile(graph, kQuick);
  Context context(engine);
  const Tensors in = random_inputs(graph, 4, 5);
  Tensors out = context.run(in);
  const Tensors other_size = random_inputs(graph, 2, 5);
  Tensors other_out = context.run(other_size);
  for (int i = 0; i < 3; ++i) context.run(in, out), context.run(other_size, other_out);
  const int64_t before = g_allocations;
  context.run(other_size, other_out);
  context.run(in, out);
  return g_allocations - before;
}

TEST(Run, AWarmRunAllocatesNothing) {
  EXPECT_EQ(allocations(
                [](const Tensors& in) {
                  const Tensor x = relu(in[0]) * sigmoid(mean(in[0], {2, 3}, true));
                  const Tensor y = concat({x, max_pool2d(x, {.kernel = 3, .stride = Pair(1), .padding = 1})}, 1);
                  const Tensor pooled = adaptive_avg_pool2d(avg_pool2d(y, {.kernel = 2}), 1);
                  return Tensors{flatten(y, 1), softmax(flatten(pooled, 1), 1)};
                },
                {{4, 6, 5, 7}}),
            0);
}

// oneDNN allocates in every execute; what the engine adds to n of them must not depend on n, nor be there at all.
TEST(Run, OnlyConvolutionsThemselvesAllocate) {
  const auto convs = [](int count) {
    return [count](const Tensors& in) {
      Tensor x = in[0];
      for (int i = 0; i < count; ++i) x = conv2d(x, random({6, 6, 3, 3}, 1), {}, {.padding = 1});
      return Tensors{x};
    };
  };
  const int64_t one = allocations(convs(1), {{4, 6, 5, 7}}), three = allocations(convs(3), {{4, 6, 5, 7}});
  EXPECT_EQ(three, 3 * one);
}

}  // namespace
}  // namespace ingot::testing
