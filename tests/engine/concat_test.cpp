#include <gmock/gmock.h>

#include "base/isa.h"
#include "kernels/conv.h"
#include "networks.h"

namespace ingot::testing {
namespace {

using ::testing::HasSubstr;

const Shape kImage{4, 6, 5, 7};

/// Compiles, compares at several batches, returns what became of the concats' operands.
std::vector<ConcatPart> parts_of(const TracedFunction& fn, const std::vector<Shape>& inputs = {kImage}) {
  const Graph graph = traced(fn, inputs);
  BuildReport report;
  const Engine engine = compile(graph, {.time_tactics = false}, &report);
  expect_runs_as(engine, graph, {1, 4, 3, 8});
  return report.concat_parts;
}

Tensor conv3(const Tensor& x, int64_t channels, uint64_t key) {
  return conv2d(x, random({channels, x.shape()[1], 3, 3}, key) * 0.3, random({channels}, key + 1), {.padding = 1});
}

TEST(Concat, ElementwisePartsAreMadeInPlaceAtAnyBatch) {
  const auto parts =
      parts_of([](const Tensors& in) { return Tensors{concat({relu(in[0]), tanh(in[0]), neg(in[0])}, 1) * 2.0}; });
  ASSERT_EQ(parts.size(), 3U);
  for (const ConcatPart& p : parts) EXPECT_TRUE(p.in_place) << p.reason;
}

Tensor normalised(const Tensor& x, uint64_t key) {
  const Shape channels{x.shape()[1]};
  return batch_norm(x, random(channels, key), abs(random(channels, key + 1)) + 0.5, random(channels, key + 2),
                    random(channels, key + 3));
}

// What stands beside convolutions in the branches of GoogLeNet, Inception and DenseNet.
TEST(Concat, BatchNormsPoolsAndSoftmaxWriteAndReadChannels) {
  const PoolOptions window{.kernel = 3, .stride = 1, .padding = 1};
  const auto parts = parts_of([&](const Tensors& in) {
    const Tensor& x = in[0];
    const Tensor a = normalised(x, 1), b = max_pool2d(x, window), c = avg_pool2d(x, window), d = softmax(x, 1);
    const Tensor joined = concat({a, b, c, d, x * 2.0, pad(x, {0, 0, 1, 1}, {0, 0, -1, -1})}, 1);
    return Tensors{relu(normalised(joined, 5)),
                   max_pool2d(joined, {.kernel = 2}),
                   max_pool2d(a, window),
                   avg_pool2d(b, window),
                   adaptive_avg_pool2d(c, 1),
                   softmax(d, 1),
                   normalised(b, 9),
                   sum(a, {2, 3})};
  });
  ASSERT_EQ(parts.size(), 6U);
  for (const ConcatPart& p : parts) EXPECT_TRUE(p.in_place) << p.part << " " << p.reason;
}

TEST(Concat, AveragesOfPlanesAreMadeInPlace) {
  const auto parts = parts_of([](const Tensors& in) {
    const Tensor joined = concat({adaptive_avg_pool2d(in[0], 1), amax(in[0], {2, 3}, true)}, 1);
    return Tensors{linear(flatten(joined, 1), random({3, 12}, 1))};
  });
  for (const ConcatPart& p : parts) EXPECT_TRUE(p.in_place) << p.part << " " << p.reason;
}

/// Copies that convolutions make of activations that are not dense, in a run of the engine.
int64_t copies_of(const TracedFunction& fn, const CompileOptions& options) {
  const Graph graph = traced(fn, {kImage});
  const Engine engine = compile(graph, options);
  const int64_t before = kernels::strided_copies();
  engine.run(random_inputs(graph, 4, 1));
  return kernels::strided_copies() - before;
}

TEST(Concat, AConvolutionWritesStraightIntoChannels) {
  if (active_isa() < Isa::avx2) GTEST_SKIP() << "our own convolution is not chosen without vectors";
  const auto net = [](const Tensors& in) {
    const Tensor a = conv3(in[0], 4, 1), joined = concat({a, relu(conv3(in[0], 3, 5)), relu(in[0])}, 1);
    return Tensors{joined, conv3(a, 2, 7), conv3(joined, 5, 9)};
  };
  for (const ConcatPart& p : parts_of(net)) EXPECT_TRUE(p.in_place) << p.part << " " << p.reason;
  EXPECT_EQ(copies_of(net, {.time_tactics = false}), 0);
}

TEST(Concat, ADepthwiseConvolutionWritesStraightIntoChannels) {
  if (active_isa() < Isa::avx2) GTEST_SKIP() << "our own convolution is not chosen without vectors";
  const auto net = [](const Tensors& in) {
    const Tensor a = conv2d(in[0], random({6, 1, 3, 3}, 1) * 0.3, {}, {.padding = 1, .groups = 6});
    return Tensors{concat({a, relu(in[0])}, 1)};
  };
  for (const ConcatPart& p : parts_of(net)) EXPECT_TRUE(p.in_place) << p.part << " " << p.reason;
  EXPECT_EQ(copies_of(net, {.time_tactics = false}), 0);
}

TEST(Concat, AConvolutionOfGroupsWritesStraightOnlyWhereThePartIsDense) {
  const auto conv = [](const Tensor& x, uint64_t key) {
    return conv2d(x, random({4, 3, 3, 3}, key) * 0.3, {}, {.padding = 1, .groups = 2});
  };
  const auto strided = parts_of([&](const Tensors& in) { return Tensors{concat({conv(in[0], 1), relu(in[0])}, 1)}; });
  EXPECT_FALSE(strided[0].in_place);
  EXPECT_THAT(strided[0].reason, HasSubstr("conv2d would copy"));
  EXPECT_TRUE(strided[1].in_place);
  const auto rows = parts_of([](const Tensors& in) { return Tensors{concat({conv3(in[0], 6, 1), relu(in[0])}, 2)}; });
  EXPECT_THAT(rows[0].reason, HasSubstr("conv2d would copy"));
  const auto dense = parts_of([&](const Tensors& in) { return Tensors{concat({conv(in[0], 1), conv(in[0], 5)}, 0)}; });
  EXPECT_TRUE(dense[0].in_place && dense[1].in_place);
}

TEST(Concat, InputsConstantsOutputsAndRepeatedPartsAreCopied) {
  const auto parts = parts_of([](const Tensors& in) {
    const Tensor out = relu(in[0]), twice = tanh(in[0]);
    return Tensors{out, concat({in[0], twice, out, twice}, 1)};
  });
  ASSERT_EQ(parts.size(), 4U);
  EXPECT_THAT(parts[0].reason, HasSubstr("input of the graph"));
  EXPECT_THAT(parts[1].reason, HasSubstr("appears twice"));
  EXPECT_THAT(parts[2].reason, HasSubstr("output of the graph"));
  EXPECT_THAT(parts[3].reason, HasSubstr("appears twice"));
  const Graph constant = [] {
    const std::map<std::string, Tensor> data{{"c", random({2, 3, 5, 7}, 9)}};
    return parse_graph(
        "const @c: f32[2, 3, 5, 7]\n"
        "graph(%x: f32[2, 3, 5, 7]) {\n"
        "  %r = relu(%x): f32[2, 3, 5, 7]\n"
        "  %y = concat(%r, @c) {dim=1}: f32[2, 6, 5, 7]\n"
        "  return %y\n}\n",
        data);
  }();
  BuildReport report;
  const Engine engine = compile(constant, {.time_tactics = false}, &report);
  expect_runs_as(engine, constant, {2});
  EXPECT_TRUE(report.concat_parts[0].in_place);
  EXPECT_THAT(report.concat_parts[1].reason, HasSubstr("constant"));
}

TEST(Concat, APartOfTwoConcatsIsInTheFirstAndCopiedToTheSecond) {
  const auto parts = parts_of([](const Tensors& in) {
    const Tensor a = relu(in[0]), b = tanh(in[0]);
    return Tensors{concat({a, b}, 1) * 2.0, concat({b, a}, 1) * 3.0};
  });
  EXPECT_TRUE(parts[0].in_place && parts[1].in_place);
  EXPECT_THAT(parts[2].reason, HasSubstr("already"));
  EXPECT_THAT(parts[3].reason, HasSubstr("already"));
}

TEST(Concat, NestedConcatsAreMadeInTheOutermost) {
  const auto parts = parts_of([](const Tensors& in) {
    const Tensor a = relu(in[0]), inner = concat({a, tanh(in[0])}, 1);
    const Tensor middle = concat({inner, neg(in[0])}, 1);
    return Tensors{concat({sigmoid(in[0]), middle}, 1) * 2.0, inner + 1.0};
  });
  for (const ConcatPart& p : parts) EXPECT_TRUE(p.in_place) << p.part << " " << p.reason;
}

TEST(Concat, EmptyPartsAndOtherDimensions) {
  parts_of(
      [](const Tensors& in) { return Tensors{concat({relu(in[0]), relu(slice(in[0], 1, 2, 2)), tanh(in[0])}, 1)}; });
  parts_of([](const Tensors& in) { return Tensors{concat({relu(in[0]), tanh(in[0])}, 2) * 2.0}; });
  parts_of([](const Tensors& in) { return Tensors{concat({relu(in[0]), tanh(in[0])}, 3) * 2.0}; });
  parts_of([](const Tensors& in) { return Tensors{concat({relu(in[0]), tanh(in[0])}, 0) * 2.0}; });
  parts_of([](const Tensors& in) { return Tensors{concat({relu(in[0]), tanh(in[0])}, 1) * 2.0}; }, {{4, 5}});
}

TEST(Concat, ReadersOfAPartBeforeAndAfterTheConcat) {
  parts_of([](const Tensors& in) {
    const Tensor a = relu(in[0]), b = a + 1.0, c = concat({a, tanh(in[0])}, 1);
    return Tensors{relu(c * -1.0), a * b, conv3(a, 4, 3)};
  });
}

// A DenseNet block: every layer reads the concat of all before it.
TEST(Concat, DenseBlock) {
  parts_of([](const Tensors& in) {
    Tensor all = in[0];
    for (uint64_t i = 0; i < 4; ++i) all = concat({all, relu(conv3(relu(all), 3, 10 * i))}, 1);
    return Tensors{mean(all, {2, 3})};
  });
}

TEST(Concat, ALinearLayerWritesItsColumns) {
  const auto parts = parts_of(
      [](const Tensors& in) {
        const Tensor a = linear(in[0], random({3, 5}, 1), random({3}, 2)), b = linear(in[0], random({4, 5}, 3));
        return Tensors{linear(concat({a, b}, 1), random({2, 7}, 4))};
      },
      {{4, 5}});
  EXPECT_TRUE(parts[0].in_place && parts[1].in_place);
}

TEST(Concat, TheReportCountsWhatAConvolutionCopies) {
  const Graph graph = traced(
      [](const Tensors& in) {
        const Tensor a = relu(in[0]);
        return Tensors{concat({a, tanh(in[0])}, 1) * 2.0, conv3(slice(relu(in[0] * 2.0), 1, 0, 3), 2, 1)};
      },
      {kImage});
  BuildReport report;
  const auto strided = [&](const CompileOptions& options) {
    compile(graph, options, &report);
    int count = 0;
    for (const TacticChoice& c : report.tactics) count += c.strided;
    return count;
  };
  EXPECT_EQ(strided({.time_tactics = false}), active_isa() < Isa::avx2 ? 1 : 0);
  std::string conv;
  for (const TacticChoice& c : report.tactics)
    if (c.op == "conv2d") conv = c.step;
  EXPECT_EQ(strided({.time_tactics = false, .forced_tactics = {{conv, "onednn_packed"}}}), 1);
}

// Convolution, activation and sum, where the summand is a part of a concat: a kernel that takes the part for a dense
// tensor reads its neighbour's channels.
TEST(Concat, AFusedResidualThatIsAPartOfAConcatIsReadWithItsStrides) {
  for (const bool residual_first : {true, false})
    parts_of([&](const Tensors& in) {
      const Tensor a = relu(in[0]), b = tanh(in[0]);
      const Tensor joined = residual_first ? concat({a, b}, 1) : concat({b, a}, 1);
      const Tensor y = relu(conv3(in[0], 6, 1)) + a, z = relu(conv3(in[0], 6, 3) + a);
      return Tensors{joined * 2.0, y, z};
    });
}

// The sum is fused into the convolution in place, in memory that is also part of a concat: it must not overwrite what
// the concat has.
TEST(Concat, ASumInPlaceDoesNotOverwriteAPartOfAConcat) {
  parts_of([](const Tensors& in) {
    const Tensor a = relu(in[0]);
    const Tensor y = conv3(in[0], 6, 1) + a;  // a's last reader but for the concat
    return Tensors{concat({a, tanh(in[0])}, 1) * 2.0, y};
  });
  parts_of([](const Tensors& in) {
    const Tensor a = relu(in[0]), joined = concat({a, tanh(in[0])}, 1);
    const Tensor y = conv3(in[0], 6, 1) + a;  // after the concat, which is read later still
    return Tensors{y * 2.0, joined * 2.0};
  });
  parts_of([](const Tensors& in) {
    const Tensor y = conv3(in[0], 6, 1) + relu(in[0]);  // the sum itself is a part
    return Tensors{concat({y, tanh(in[0])}, 1) * 2.0};
  });
}

TEST(Concat, SwitchedOffEverythingIsCopied) {
  const Graph graph =
      traced([](const Tensors& in) { return Tensors{concat({relu(in[0]), tanh(in[0])}, 1)}; }, {kImage});
  BuildReport report;
  const Engine engine = compile(graph, {.elide_concats = false, .time_tactics = false}, &report);
  EXPECT_TRUE(report.concat_parts.empty());
  expect_runs_as(engine, graph, {1, 4});
}

}  // namespace
}  // namespace ingot::testing
