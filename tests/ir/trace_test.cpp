#include "helpers.h"
#include "ingot/autograd.h"
#include "ingot/ops.h"
#include "tensor/impl.h"

namespace ingot::test {
namespace {

using testing::HasSubstr;

Tensor random(const Shape& shape, uint64_t seed) { return uniform(shape, -1, 1, RandomKey{seed}); }

TEST(Trace, WritesDownWhatTheFunctionDoes) {
  const Tensor w = random({4, 3, 3, 3}, 1), b = random({4}, 2), fc = random({5, 4}, 3);
  const auto net = [&](const Tensors& in) -> Tensors {
    Tensor x = in[0];
    {
      const ModuleScope scope("conv1");
      x = conv2d(x, w, b, {.padding = Pads(1)});
    }
    x = adaptive_avg_pool2d(relu(x), 1);
    return {linear(flatten(x, 1), fc) * 0.5};
  };
  const Traced traced = trace(net, {{"image", DType::f32, {Dim::symbol("n", 2), 3, 8, 8}, {}}},
                              {{"conv1.weight", w}, {"conv1.bias", b}, {"fc.weight", fc}},
                              {.ranges = {{"n", {2, 1, 64}}}, .output_names = {"logits"}});
  EXPECT_TRUE(traced.fixed.empty());
  verify(traced.graph);
  EXPECT_EQ(to_string(traced.graph), normal_text(R"(
    size n = 2 in 1..64
    const @conv1.weight: f32[4, 3, 3, 3]
    const @conv1.bias: f32[4]
    const @fc.weight: f32[5, 4]
    graph(%image: f32[n, 3, 8, 8]) {
      %conv2d = conv2d(%image, @conv1.weight, @conv1.bias) {padding=[1, 1, 1, 1]}: f32[n, 4, 8, 8]  # conv1
      %relu = relu(%conv2d): f32[n, 4, 8, 8]
      %adaptive_avg_pool2d = adaptive_avg_pool2d(%relu) {output=[1, 1]}: f32[n, 4, 1, 1]
      %reshape = reshape(%adaptive_avg_pool2d) {shape=[n, 4]}: f32[n, 4]
      %linear = linear(%reshape, @fc.weight): f32[n, 5]
      %mul = mul(%linear, f32(0.5)): f32[n, 5]
      return %mul as logits
    })",
                                                 traced.graph));
  const Tensor x = random({3, 3, 8, 8}, 4);
  expect_near(interpret(traced.graph, {x}), net({x}), 0);
  EXPECT_EQ(traced.graph.find_constant("fc.weight")->constant.impl()->storage, fc.impl()->storage);
}

TEST(Trace, UnnamedTensorsBecomeConstants) {
  const Tensor offset = random({3}, 1);
  const auto traced = trace([&](const Tensors& in) { return Tensors{in[0] + offset, in[0] * offset}; },
                            {{"x", DType::f32, {2, 3}, {}}});
  EXPECT_EQ(traced.graph.named_constants().size(), 1u);
  EXPECT_TRUE(traced.graph.find_constant("const"));
}

TEST(Trace, FusedOpsAppearAsTheirExpansion) {
  const Tensor w = random({3, 3, 1, 1}, 1);
  const auto fn = [&](const Tensors& in) { return Tensors{conv2d_fused(in[0], w, {}, in[0], {}, Activation::relu)}; };
  const auto traced = trace(fn, {{"x", DType::f32, {2, 3, 4, 4}, {}}}, {{"w", w}});
  std::vector<std::string> ops;
  for (const Node& node : traced.graph.nodes()) ops.emplace_back(node.op->name);
  EXPECT_THAT(ops, testing::ElementsAre("conv2d", "add", "relu"));
}

TEST(Trace, ASymbolThatARelationLeavesOpenIsFixed) {
  const Tensor fc = random({5, 3 * 4 * 4}, 1);
  const Dim n = Dim::symbol("n", 2), h = Dim::symbol("trace_h", 8), w = Dim::symbol("trace_w", 8);
  const auto fn = [&](const Tensors& in) { return Tensors{linear(flatten(max_pool2d(in[0], {}), 1), fc)}; };
  const auto traced = check_trace(fn, {{"x", DType::f32, {n, 3, h, w}, {}}});
  ASSERT_EQ(traced.fixed.size(), 2u);
  EXPECT_EQ(traced.fixed[0].symbol, "trace_h");
  EXPECT_EQ(traced.fixed[0].value, 8);
  EXPECT_THAT(traced.fixed[0].reason, HasSubstr("48"));
  EXPECT_EQ(traced.graph.inputs()[0]->spec.shape, (Shape{n, 3, 8, 8}));
  EXPECT_EQ(traced.graph.sizes().size(), 1u);
  verify(traced.graph);
}

TEST(Trace, SpatialSizesStaySymbolic) {
  const Tensor w = random({4, 3, 3, 3}, 1);
  const Dim h = Dim::symbol("trace_h", 8);
  const auto fn = [&](const Tensors& in) {
    const Tensor y = max_pool2d(relu(conv2d(in[0], w, {}, {.stride = 2, .padding = Pads(1)})), {});
    return Tensors{mean(y, {2, 3})};
  };
  const auto traced = check_trace(fn, {{"x", DType::f32, {1, 3, h, h}, {}}});
  EXPECT_TRUE(traced.fixed.empty());
  for (const int64_t size : {7, 8, 13}) {
    const Tensor x = random({1, 3, size, size}, 5);
    expect_near(interpret(traced.graph, {x}), fn({x}), 1e-6);
  }
}

TEST(Trace, ReadingDataOrASymbolicSizeIsRefused) {
  const Dim n = Dim::symbol("n", 2);
  const auto error = [&](const TracedFunction& fn) {
    return error_of([&] { trace(fn, {{"x", DType::f32, {n, 3}, {}}}); });
  };
  EXPECT_THAT(error([](const Tensors& in) { return in[0].to_vector<float>().empty() ? in : Tensors{}; }),
              HasSubstr("while tracing"));
  EXPECT_THAT(error([](const Tensors& in) { return in[0].size(0).value() > 1 ? in : Tensors{}; }),
              HasSubstr("the size n is symbolic"));
  EXPECT_THAT(error([](const Tensors&) { return Tensors{}; }), HasSubstr("returns nothing"));
  EXPECT_THAT(error([](const Tensors&) { return Tensors{Tensor()}; }),
              HasSubstr("result 0 of the traced function is undefined"));
}

TEST(Trace, ATensorOfAnotherTraceIsRefused) {
  Tensor kept;
  const std::vector<InputSpec> spec{{"x", DType::f32, {2, 3}, {}}};
  trace([&](const Tensors& in) { return Tensors{kept = relu(in[0])}; }, spec);
  EXPECT_THAT(error_of([&] { trace([&](const Tensors& in) { return Tensors{in[0] + kept}; }, spec); }),
              HasSubstr("outside this trace"));
}

TEST(Trace, CheckingFindsADecisionThatDependsOnASize) {
  // A comparison of a size with a number is no read of the size, so the symbolic trace cannot see it.
  const auto fn = [](const Tensors& in) { return Tensors{in[0].size(0) == 3 ? relu(in[0]) : tanh(in[0])}; };
  const std::vector<InputSpec> spec{{"x", DType::f32, {Dim::symbol("trace_two", 2), 3}, {}}};
  EXPECT_EQ(trace(fn, spec).graph.node_count(), 1u);
  EXPECT_THAT(error_of([&] { check_trace(fn, spec); }), HasSubstr("at trace_two = 3 than its trace says"));
}

TEST(Trace, InputsKeepTheirLayout) {
  const auto fn = [](const Tensors& in) { return Tensors{relu(in[0])}; };
  const auto traced = trace(fn, {{"x", DType::f32, {2, 3, 4, 4}, Layout::row_major}});
  EXPECT_EQ(traced.graph.outputs()[0].value->spec.layout, Layout::row_major);
}

TEST(Trace, ATrainingStepTracesWithItsBackward) {
  const Tensor images = random({4, 2, 6, 6}, 1), target = random({4, 3}, 2);
  Tensor w = random({4, 2, 3, 3}, 3), gamma = random({4}, 4), beta = random({4}, 5), fc = random({3, 4}, 6);
  const NamedConstants names{{"w", w}, {"gamma", gamma}, {"beta", beta}, {"fc", fc}};
  for (auto [name, tensor] : names) tensor.set_requires_grad();
  const auto step = [&](const Tensors& in) {
    Tensor y = batch_norm_train(conv2d(in[0], w, {}, {.padding = Pads(1)}), gamma, beta).y;
    y = linear(mean(max_pool2d(relu(y), {}), {2, 3}), fc);
    const Tensor loss = mean(square(y - in[1]));
    Tensors out = grad({loss}, {w, gamma, beta, fc});
    out.push_back(loss);
    return out;
  };
  const auto traced = check_trace(
      step, {{"x", DType::f32, {Dim::symbol("n", 2), 2, 6, 6}, {}}, {"t", DType::f32, {Dim::symbol("n", 2), 3}, {}}},
      names);
  verify(traced.graph);
  expect_near(interpret(traced.graph, {images, target}), step({images, target}), 1e-5);
  const Graph again = parse_graph(to_string(traced.graph), traced.graph.named_constants());
  EXPECT_EQ(first_difference(again, traced.graph), std::nullopt);
}

TEST(Trace, BackwardIntoLeavesLeavesNoAbstractGradients) {
  Tensor w = random({3, 4}, 1);
  w.set_requires_grad();
  const Tensor before = ones({3, 4});
  w.set_grad(before);
  const auto step = [&](const Tensors& in) {
    w.set_grad({});
    backward(sum(linear(in[0], w)));
    return Tensors{w.grad()};
  };
  const auto traced = trace(step, {{"x", DType::f32, {2, 4}, {}}}, {{"w", w}});
  EXPECT_TRUE(w.grad().same_as(before));
  const Tensor x = random({2, 4}, 2);
  expect_near(interpret(traced.graph, {x}), step({x}), 1e-6);
}

}  // namespace
}  // namespace ingot::test
