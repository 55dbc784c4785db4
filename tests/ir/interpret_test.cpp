#include "helpers.h"
#include "ingot/ops.h"

namespace ingot::test {
namespace {

using testing::HasSubstr;

const char* const kNet = R"(
    size n = 2 in 1..8
    const @w: f32[3, 4]
    const @b: f32[3]
    graph(%x: f32[n, 4]) {
      %a = linear(%x, @w, @b): f32[n, 3]  # fc
      %t = tanh(%a): f32[n, 3]
      %r = reshape(%t) {shape=[3*n]}: f32[3*n]
      %y = mul(%r, f32(2)): f32[3*n]
      return %y, %t
    })";

TEST(Interpret, GivesWhatTheOpsGive) {
  const Graph graph = graph_of(kNet);
  const auto c = graph.named_constants();
  for (const int64_t n : {1, 2, 5}) {
    const Tensor x = uniform({n, 4}, -1, 1, RandomKey{9});
    const Tensor t = tanh(linear(x, c.at("w"), c.at("b")));
    expect_near(interpret(graph, {x}), {reshape(t, {3 * n}) * 2.0, t}, 0);
  }
}

TEST(Interpret, ShowsEveryValueInOrder) {
  const Graph graph = graph_of(kNet);
  std::vector<std::string> seen;
  interpret(graph, random_inputs(graph), [&](const Value& value, const Tensor& data) {
    EXPECT_EQ(data.shape().size(), value.spec.shape.size());
    seen.push_back(value.name);
  });
  EXPECT_THAT(seen, testing::ElementsAre("a", "t", "r", "y"));
}

TEST(Interpret, RecordsNoGradients) {
  const Graph graph = graph_of(kNet);
  graph.find_constant("w")->constant.set_requires_grad();
  EXPECT_FALSE(interpret(graph, random_inputs(graph))[0].requires_grad());
}

TEST(Interpret, HandsInputsAndConstantsThrough) {
  const Graph graph = graph_of("const @w: f32[2]\ngraph(%x: f32[2]) {\n return %x, @w, f32(3) as three\n}");
  const Tensor x = ones({2});
  const Tensors out = interpret(graph, {x});
  EXPECT_TRUE(out[0].same_as(x));
  EXPECT_EQ(out[1].to_vector<float>(), graph.find_constant("w")->constant.to_vector<float>());
  EXPECT_EQ(out[2].item<float>(), 3);
}

TEST(Interpret, KeepsSavedValuesThatAreRead) {
  const Graph graph = graph_of(R"(graph(%x: f32[1, 2, 4, 4], %g: f32[1, 2, 2, 2]) {
      %y | %places = max_pool2d(%x): f32[1, 2, 2, 2] | i32[1, 2, 2, 2]
      %dx = max_pool2d_grad(%g, %places) {shape=[1, 2, 4, 4]}: f32[1, 2, 4, 4]
      return %dx
    })");
  const Tensors in = random_inputs(graph);
  Tensor x = in[0];
  x.set_requires_grad();
  const Tensor wanted = grad({max_pool2d(x, {})}, {x}, {in[1]})[0];
  expect_near(interpret(graph, in), {wanted}, 0);
}

TEST(Interpret, RefusesInputsThatDoNotFit) {
  const Graph graph = graph_of(kNet);
  const auto error = [&](const Tensors& in) { return error_of([&] { interpret(graph, in); }); };
  EXPECT_THAT(error({}), HasSubstr("the graph has 1 inputs, 0 are given"));
  EXPECT_THAT(error({ones({2, 5})}), HasSubstr("input 'x' is [2, 5], the graph wants [n, 4]"));
  EXPECT_THAT(error({ones({8})}), HasSubstr("the graph wants [n, 4]"));
  EXPECT_THAT(error({ones({2, 4}, DType::f64)}), HasSubstr("input 'x' is f64, the graph wants f32"));
  EXPECT_THAT(error({ones({9, 4})}), HasSubstr("n = 9 is outside 1..8"));
}

TEST(Interpret, BindsExpressionsOfSizes) {
  const Graph graph = graph_of(R"(
    size n = 2 in 1..8
    graph(%x: f32[2*n+1, n]) {
      %y = relu(%x): f32[2*n+1, n]
      return %y
    })");
  EXPECT_EQ(bind_sizes(graph, std::vector<Shape>{{7, 3}}).at("n"), 3);
  EXPECT_THAT(error_of([&] { bind_sizes(graph, std::vector<Shape>{{8, 3}}); }), HasSubstr("input 'x' is [8, 3]"));
  const Graph open = graph_of("size n = 2 in 1..8\ngraph(%x: f32[2*n]) {\n return %x\n}");
  EXPECT_THAT(error_of([&] { bind_sizes(open, std::vector<Shape>{{4}}); }),
              testing::AnyOf(HasSubstr("no input's shape"), HasSubstr("the graph wants")));
}

TEST(Interpret, ErrorsNameTheNodesPath) {
  const Graph graph = graph_of(R"(graph(%x: f32[2, 3], %i: i64[2, 3]) {
      %y = gather(%x, %i) {dim=1}: f32[2, 3]  # head.pick
      return %y
    })");
  const Tensor index = full({2, 3}, 7, DType::i64);
  EXPECT_THAT(error_of([&] { interpret(graph, {ones({2, 3}), index}); }), testing::StartsWith("[gather] head.pick:"));
}

}  // namespace
}  // namespace ingot::test
