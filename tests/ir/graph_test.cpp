#include "helpers.h"
#include "ingot/ops.h"
#include "ops/attrs.h"
#include "ops/defs.h"
#include "tensor/impl.h"

namespace ingot::test {
namespace {

using testing::HasSubstr;

const Spec kImage{.shape = {2, 3, 4, 4}, .layout = Layout::channels_last};

std::vector<std::string> ops_in(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes()) names.emplace_back(node.op->name);
  return names;
}

TEST(Graph, AddNodeInfersAndConnects) {
  Graph graph;
  Value& x = graph.add_input("x", kImage);
  Value& w = graph.add_constant(ones({8, 3, 3, 3}), "w");
  const Node& conv =
      graph.add_node({.op = kConv2d, .inputs = {&x, &w}, .attrs = Conv2dAttrs{.padding = Pads(1)}, .path = "stem"});
  EXPECT_EQ(conv.result().spec.shape, (Shape{2, 8, 4, 4}));
  EXPECT_EQ(conv.result().producer, &conv);
  ASSERT_EQ(x.users.size(), 1u);
  EXPECT_EQ(x.users[0].node, &conv);
  EXPECT_EQ(w.users[0].operand, 1u);
  graph.add_output(conv.result(), "y");
  EXPECT_EQ(graph.outputs()[0].name, "y");
  verify(graph);
}

TEST(Graph, WrongOperandsAreRefusedWithOpAndPath) {
  Graph graph;
  Value& x = graph.add_input("x", kImage);
  Value& w = graph.add_constant(ones({8, 5, 3, 3}), "w");
  const auto text = error_of([&] { graph.add_node({.op = kConv2d, .inputs = {&x, &w}, .path = "stem.conv"}); });
  EXPECT_THAT(text, testing::StartsWith("[conv2d] stem.conv: weight"));
  EXPECT_EQ(graph.node_count(), 0u);
  EXPECT_TRUE(x.users.empty());
  EXPECT_THAT(error_of([&] { graph.add_node({.op = kRelu, .inputs = {&x}, .attrs = Conv2dAttrs{}}); }),
              HasSubstr("[relu] the attributes are another op's"));
}

TEST(Graph, InsertsBeforeAndReplacesUses) {
  Graph graph;
  Value& x = graph.add_input("x", kImage);
  Node& a = graph.add_node({.op = kRelu, .inputs = {&x}});
  Node& b = graph.add_node({.op = kTanh, .inputs = {&a.result()}});
  graph.add_output(b.result());
  const Node& between = graph.add_node({.op = kSigmoid, .inputs = {&x}, .before = &b});
  EXPECT_THAT(ops_in(graph), testing::ElementsAre("relu", "sigmoid", "tanh"));
  graph.replace_all_uses(a.result(), between.result());
  graph.remove(a);
  EXPECT_THAT(ops_in(graph), testing::ElementsAre("sigmoid", "tanh"));
  EXPECT_EQ(b.inputs[0], &between.result());
  EXPECT_EQ(x.users.size(), 1u);
  verify(graph);
}

TEST(Graph, OutputsFollowReplacementAndKeepTheirNames) {
  Graph graph;
  Value& x = graph.add_input("x", kImage);
  Node& a = graph.add_node({.op = kRelu, .inputs = {&x}});
  graph.add_output(a.result(), "logits");
  graph.replace_all_uses(a.result(), x);
  EXPECT_EQ(graph.outputs()[0].value, &x);
  EXPECT_EQ(graph.outputs()[0].name, "logits");
  EXPECT_TRUE(graph.is_output(x));
  EXPECT_FALSE(graph.is_output(a.result()));
}

TEST(Graph, ReplacingAnotherShapeOrRemovingWhatIsReadIsRefused) {
  Graph graph;
  Value& x = graph.add_input("x", kImage);
  Value& y = graph.add_input("y", {.shape = {2, 3}});
  Node& a = graph.add_node({.op = kRelu, .inputs = {&x}});
  graph.add_output(a.result());
  EXPECT_THAT(error_of([&] { graph.replace_all_uses(a.result(), y); }), HasSubstr("cannot be replaced by f32[2, 3]"));
  EXPECT_THAT(error_of([&] { graph.remove(a); }), HasSubstr("still read"));
}

TEST(Graph, IterationToleratesEdits) {
  Graph graph;
  Value* x = &graph.add_input("x", kImage);
  for (int i = 0; i < 5; ++i) x = &graph.add_node({.op = kRelu, .inputs = {x}}).result();
  graph.add_output(*x);
  int visited = 0;
  for (Node& node : graph.nodes()) {
    ++visited;
    if (!node.is("relu")) continue;
    Node& fresh = graph.add_node({.op = kTanh, .inputs = {node.inputs[0]}, .before = &node});
    graph.replace_all_uses(node.result(), fresh.result());
    if (node.next != nullptr && visited == 2) {  // the next one goes as well, while we stand before it
      Node& next = *node.next;
      graph.replace_all_uses(next.result(), *next.inputs[0]);
      graph.remove(next);
    }
    graph.remove(node);
  }
  EXPECT_EQ(visited, 4);
  EXPECT_THAT(ops_in(graph), testing::ElementsAre("tanh", "tanh", "tanh", "tanh"));
  verify(graph);
}

TEST(Graph, ARemovedNodeStaysReadable) {
  Graph graph;
  Value& x = graph.add_input("x", kImage);
  Node& a = graph.add_node({.op = kRelu, .inputs = {&x}});
  graph.remove(a);
  EXPECT_TRUE(a.removed);
  EXPECT_FALSE(a.is("relu"));
  EXPECT_EQ(a.result().name, "relu");
  EXPECT_EQ(graph.find_value("relu"), nullptr);
  EXPECT_EQ(graph.node_count(), 0u);
}

TEST(Graph, NamesAreUniqueAndFree) {
  Graph graph;
  Value& x = graph.add_input("x", kImage);
  EXPECT_THAT(error_of([&] { graph.add_input("x", kImage); }), HasSubstr("a second input"));
  const Node& a = graph.add_node({.op = kRelu, .inputs = {&x}});
  const Node& b = graph.add_node({.op = kRelu, .inputs = {&x}});
  const Node& c = graph.add_node({.op = kRelu, .inputs = {&x}, .names = {"x"}});
  EXPECT_EQ(a.result().name, "relu");
  EXPECT_EQ(b.result().name, "relu_1");
  EXPECT_EQ(c.result().name, "x_1");
  graph.rename(a.result(), "first");
  EXPECT_EQ(graph.find_value("first"), &a.result());
  EXPECT_THAT(error_of([&] { graph.rename(b.result(), "first"); }), HasSubstr("a second value"));
  graph.add_constant(ones({3}), "w");
  EXPECT_THAT(error_of([&] { graph.add_constant(ones({3}), "w"); }), HasSubstr("two different constants"));
}

TEST(Graph, ConstantsAreLiteralsOrNamed) {
  Graph graph;
  EXPECT_TRUE(graph.add_constant(scalar(2)).is_literal());
  EXPECT_FALSE(graph.add_constant(scalar(2), "alpha").is_literal());
  EXPECT_EQ(graph.add_constant(ones({2})).name, "const");
  EXPECT_EQ(graph.add_constant(ones({2})).name, "const_1");
  EXPECT_EQ(graph.named_constants().size(), 3u);
  graph.remove_unused_constants();
  EXPECT_TRUE(graph.constants().empty());
}

TEST(Graph, SizesNeedNamesAndRanges) {
  Graph graph;
  EXPECT_EQ(graph.add_size("n", {.example = 8, .min = 1, .max = 64}).str(), "n");
  EXPECT_THAT(error_of([&] { graph.add_size("2n", {}); }), HasSubstr("cannot name a size"));
  EXPECT_THAT(error_of([&] { graph.add_size("h", {.example = 8, .min = 9}); }), HasSubstr("does not lie in its range"));
  EXPECT_THAT(error_of([&] { graph.add_size("n", {.example = 9, .min = 1, .max = 64}); }), HasSubstr("two ranges"));
}

TEST(Graph, MovesAndClonesKeepTheirNodes) {
  Graph graph = graph_of(R"(
    size n = 2 in 1..8
    const @w: f32[5, 4]
    graph(%x: f32[n, 4]) {
      %y = linear(%x, @w): f32[n, 5]  # fc
      %z = relu(%y): f32[n, 5]
      return %z as out
    })");
  const Graph copy = graph.clone();
  EXPECT_EQ(to_string(copy), to_string(graph));
  EXPECT_EQ(graph, copy);
  EXPECT_EQ(copy.find_constant("w")->constant.impl()->storage, graph.find_constant("w")->constant.impl()->storage);
  const Value* z = graph.find_value("z");
  const Graph moved = std::move(graph);
  EXPECT_EQ(moved.find_value("z"), z);
  EXPECT_EQ(moved, copy);
  verify(moved);
}

TEST(Graph, FixesSizes) {
  const Graph graph = graph_of(R"(
    size h = 6 in 2..32
    size n = 2 in 1..8
    graph(%x: f32[n, 3, h, h]) {
      %y = reshape(%x) {shape=[n, 3*h*h]}: f32[n, 3*h*h]
      return %y
    })");
  const Graph fixed = at_sizes(graph, {{"h", 4}});
  EXPECT_EQ(fixed.find_value("y")->spec.shape, (Shape{Dim::symbol("n", 2), 48}));
  EXPECT_EQ(fixed.sizes().size(), 1u);
  verify(fixed);
  EXPECT_THAT(error_of([&] { at_sizes(graph, {{"h", 33}}); }), HasSubstr("h = 33 is outside 2..32"));
  EXPECT_THAT(error_of([&] { at_sizes(graph, {{"w", 3}}); }), HasSubstr("no size 'w'"));
}

TEST(Graph, DifferencesAreFound) {
  const std::string text = R"(
    const @w: f32[5, 4]
    graph(%x: f32[2, 4]) {
      %y = linear(%x, @w): f32[2, 5]
      %z = leaky_relu(%y) {alpha=0.1}: f32[2, 5]
      return %z
    })";
  const auto changed = [&](std::string_view from, std::string_view to) {
    std::string other = text;
    other.replace(other.find(from), from.size(), to);
    return parse_graph(other, random_constants(text));
  };
  const Graph graph = graph_of(text);
  Graph renamed = graph.clone();
  renamed.rename(*renamed.find_value("y"), "hidden");
  EXPECT_EQ(graph, renamed);
  EXPECT_EQ(hash_of(graph), hash_of(renamed));
  for (const auto& [from, to] : {std::pair{"alpha=0.1", "alpha=0.2"},
                                 {"return %z", "return %y"},
                                 {"return %z", "return %z as q"},
                                 {"leaky_relu(%y) {alpha=0.1}", "relu(%y)"},
                                 {"[2, 5]\n      return", "[2, 5]  # act\n      return"}}) {
    const Graph other = changed(from, to);
    EXPECT_TRUE(first_difference(graph, other)) << to;
    EXPECT_NE(hash_of(graph), hash_of(other)) << to;
  }
  const Graph other_data = parse_graph(text, {{"w", ones({5, 4})}});
  EXPECT_THAT(first_difference(graph, other_data).value(), HasSubstr("@w"));
  EXPECT_EQ(parse_graph(text, {{"w", ones({5, 4})}}), other_data);
}

TEST(Graph, DotNamesNodesAndShapes) {
  const std::string dot = to_dot(graph_of(R"(
    size n = 2 in 1..8
    graph(%x: f32[n, 4]) {
      %y = relu(%x): f32[n, 4]  # "act \"1\""
      return %y
    })"));
  EXPECT_THAT(dot, HasSubstr("digraph {"));
  EXPECT_THAT(dot, HasSubstr("node0 [label=\"relu\\nact \\\"1\\\"\"];"));
  EXPECT_THAT(dot, HasSubstr("input0 -> node0 [label=\"f32[n, 4]\"];"));
  EXPECT_THAT(dot, HasSubstr("node0 -> output0"));
}

}  // namespace
}  // namespace ingot::test
