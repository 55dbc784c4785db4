#include "helpers.h"
#include "ingot/ops.h"

namespace ingot::test {
namespace {

using testing::HasSubstr;

// ---- Constants, identities, views

const Rewrite kCleaning[] = {{"constants_are_computed", fold_constants, R"(
        const @w: f32[4, 3]
        const @v: f32[3]
        graph(%x: f32[2, 3]) {
          %a = mul(@w, @v): f32[4, 3]
          %b = sqrt(f32(4)): f32[]
          %c = mul(%a, %b): f32[4, 3]
          %y = linear(%x, %c): f32[2, 4]
          return %y
        })",
                              R"(
        const @c.folded: f32[4, 3]
        graph(%x: f32[2, 3]) {
          %y = linear(%x, @c.folded): f32[2, 4]
          return %y
        })"},
                             {"a_constant_output_is_computed", fold_constants, R"(
        graph(%x: f32[2]) {
          %a = add(f32(1), f32(2)): f32[]
          return %x, %a
        })",
                              "graph(%x: f32[2]) {\n return %x, f32(3) as a\n}"},
                             {"identities_go", drop_identities, R"(
        graph(%x: f32[2, 3, 4, 4]) {
          %a = mul(%x, f32(1)): f32[2, 3, 4, 4]
          %b = add(f32(0), %a): f32[2, 3, 4, 4]
          %c = dropout(%b) {p=0}: f32[2, 3, 4, 4]
          %d = reshape(%c) {shape=[2, 3, 4, 4]}: f32[2, 3, 4, 4] row_major
          %e = relu(%c): f32[2, 3, 4, 4]
          %f = relu(%e): f32[2, 3, 4, 4]
          %g = div(%f, f32(1)): f32[2, 3, 4, 4]
          %h = sub(%g, f32(0)): f32[2, 3, 4, 4]
          %i = permute(%h) {dims=[0, 1, 2, 3]}: f32[2, 3, 4, 4]
          %j = slice(%i) {dim=1, start=0, end=3, step=1}: f32[2, 3, 4, 4]
          %k = pad(%j) {before=[0, 0, 0, 0], after=[0, 0, 0, 0]}: f32[2, 3, 4, 4]
          %l = concat(%k) {dim=1}: f32[2, 3, 4, 4]
          %m = clamp(%l): f32[2, 3, 4, 4]
          %n = cast(%m) {dtype="f32"}: f32[2, 3, 4, 4]
          %o = pow(%n, f32(1)): f32[2, 3, 4, 4]
          %p = expand(%o) {shape=[2, 3, 4, 4]}: f32[2, 3, 4, 4]
          %q = contiguous(%p): f32[2, 3, 4, 4]
          return %q as y
        })",
                              R"(
        graph(%x: f32[2, 3, 4, 4]) {
          %e = relu(%x): f32[2, 3, 4, 4]
          return %e as y
        })"},
                             {"the_same_is_computed_once", merge_common_subexpressions, R"(
        graph(%x: f32[2, 3]) {
          %a = mul(%x, f32(2)): f32[2, 3]
          %b = mul(%x, f32(2)): f32[2, 3]
          %c = leaky_relu(%a) {alpha=0.1}: f32[2, 3]
          %d = leaky_relu(%b) {alpha=0.1}: f32[2, 3]
          %e = leaky_relu(%b) {alpha=0.2}: f32[2, 3]
          %y = add(%c, %d): f32[2, 3]
          %z = add(%y, %e): f32[2, 3]
          return %z
        })",
                              R"(
        graph(%x: f32[2, 3]) {
          %a = mul(%x, f32(2)): f32[2, 3]
          %c = leaky_relu(%a) {alpha=0.1}: f32[2, 3]
          %e = leaky_relu(%a) {alpha=0.2}: f32[2, 3]
          %y = add(%c, %c): f32[2, 3]
          %z = add(%y, %e): f32[2, 3]
          return %z
        })"},
                             {"reshapes_in_a_row", merge_views, R"(
        graph(%x: f32[2, 3, 4]) {
          %a = reshape(%x) {shape=[6, 4]}: f32[6, 4]
          %y = reshape(%a) {shape=[24]}: f32[24]
          return %y
        })",
                              R"(
        graph(%x: f32[2, 3, 4]) {
          %y = reshape(%x) {shape=[24]}: f32[24]
          return %y
        })"},
                             {"permutations_in_a_row", merge_views, R"(
        graph(%x: f32[2, 3, 4]) {
          %a = permute(%x) {dims=[1, 2, 0]}: f32[3, 4, 2]
          %y = permute(%a) {dims=[1, 0, 2]}: f32[4, 3, 2]
          return %y
        })",
                              R"(
        graph(%x: f32[2, 3, 4]) {
          %y = permute(%x) {dims=[2, 1, 0]}: f32[4, 3, 2]
          return %y
        })"},
                             {"views_that_cancel", merge_views, R"(
        graph(%x: f32[2, 3, 4, 5]) {
          %a = permute(%x) {dims=[0, 2, 3, 1]}: f32[2, 4, 5, 3]
          %b = permute(%a) {dims=[0, 3, 1, 2]}: f32[2, 3, 4, 5]
          %c = relu(%b): f32[2, 3, 4, 5]
          %d = reshape(%c) {shape=[2, 60]}: f32[2, 60]
          %e = relu(%d): f32[2, 60]
          %f = reshape(%e) {shape=[120]}: f32[120]
          %y = reshape(%f) {shape=[2, 60]}: f32[2, 60]
          return %y
        })",
                              R"(
        graph(%x: f32[2, 3, 4, 5]) {
          %c = relu(%x): f32[2, 3, 4, 5]
          %d = reshape(%c) {shape=[2, 60]}: f32[2, 60]
          %e = relu(%d): f32[2, 60]
          return %e as y
        })"},
                             {"dead_nodes_go_with_their_constants", remove_dead_nodes, R"(
        const @w: f32[3]
        graph(%x: f32[3], %unused: f32[5]) {
          %a = add(%x, @w): f32[3]
          %b = relu(%a): f32[3]
          %y = tanh(%x): f32[3]
          return %y
        })",
                              R"(
        graph(%x: f32[3], %unused: f32[5]) {
          %y = tanh(%x): f32[3]
          return %y
        })"}};

const Refusal kCleaningRefusals[] = {{"results_much_larger_than_operands", fold_constants, R"(
        graph(%x: f32[1]) {
          %a = expand(f32(1)) {shape=[1024, 1024]}: f32[1024, 1024]
          %y = add(%a, %x): f32[1024, 1024]
          return %y
        })",
                                      "the results have 4194304 bytes, the operands 4"},
                                     {"saved_values_of_a_constant", fold_constants, R"(
        const @c: f32[1, 1, 4, 4]
        graph(%g: f32[1, 1, 2, 2]) {
          %p | %s = max_pool2d(@c): f32[1, 1, 2, 2] | i32[1, 1, 2, 2]
          %y = max_pool2d_grad(%g, %s) {shape=[1, 1, 4, 4]}: f32[1, 1, 4, 4]
          return %y, %p
        })",
                                      "saved for its gradient"}};

TEST(Cleaning, Rewrites) {
  for (const Rewrite& row : kCleaning) check(row);
}
TEST(Cleaning, RefusesAndSaysWhy) {
  for (const Refusal& row : kCleaningRefusals) check(row);
}

TEST(DropIdentities, KeepsWhatChangesShapeLayoutOrValues) {
  Graph graph = graph_of(R"(
    const @ones: f32[5, 1, 1]
    graph(%x: f32[1, 1], %i: f32[2, 3, 4, 4] row_major, %d: f32[4]) {
      %a = mul(%x, @ones): f32[5, 1, 1]
      %b = contiguous(%i): f32[2, 3, 4, 4]
      %c = dropout(%d) {p=0.5}: f32[4]
      %e = slice(%d) {dim=0, start=0, end=4, step=2}: f32[2]
      %f = sub(f32(0), %d): f32[4]
      %g = div(f32(1), %d): f32[4]
      %h = clamp(%d) {low=0.0}: f32[4]
      %j = permute(%b) {dims=[0, 1, 3, 2]}: f32[2, 3, 4, 4]
      return %a, %b, %c, %e, %f, %g, %h, %j
    })");
  fill(graph.find_constant("ones")->constant, 1);
  Report report;
  EXPECT_FALSE(drop_identities(graph, report));
  EXPECT_EQ(graph.node_count(), 8u);
}

TEST(FoldConstants, FlushesDenormals) {
  Graph graph = graph_of(R"(
    const @w: f32[2]
    graph(%x: f32[2]) {
      %a = mul(@w, f32(1e-40)): f32[2]
      %y = add(%x, %a): f32[2]
      return %y
    })");
  fill(graph.find_constant("w")->constant, 0.5);
  Report report;
  EXPECT_TRUE(fold_constants(graph, report));
  EXPECT_EQ(graph.find_constant("a.folded")->constant.to_vector<float>(), (std::vector<float>{0, 0}));
}

TEST(FoldConstants, KeepsLayoutsAndLeavesSymbolicSizes) {
  Graph graph = graph_of(R"(
    size n = 2 in 1..8
    const @w: f32[2, 3, 4, 5]
    graph(%x: f32[n]) {
      %p = permute(@w) {dims=[0, 2, 3, 1]}: f32[2, 4, 5, 3]
      %q = relu(%p): f32[2, 4, 5, 3]
      %s = size() {value=n, dtype="f32"}: f32[]
      %c = expand(f32(2)) {shape=[n]}: f32[n]
      %y = mul(%c, %s): f32[n]
      return %q, %y
    })");
  const Graph original = graph.clone();
  Report report;
  EXPECT_TRUE(fold_constants(graph, report));
  verify(graph);
  EXPECT_EQ(graph.node_count(), 3u);
  expect_same_results(original, graph);
}

// ---- Activations as exporters write them

struct Pattern {
  const char* name;
  const char* body;
  const char* op;
};
void check(const Pattern& row) {
  const testing::ScopedTrace trace(__FILE__, __LINE__, row.name);
  for (const bool f64 : {false, true}) {
    const std::string text = std::string("graph(%x: f32[40]) {\n") + row.body + "\n return %y\n}";
    Graph graph = graph_of(f64 ? in_f64(text) : text);
    const Graph original = graph.clone();
    Report report;
    EXPECT_TRUE(recognise_activations(graph, report));
    remove_dead_nodes(graph, report);
    verify(graph);
    ASSERT_EQ(graph.node_count(), 1u) << to_string(graph);
    EXPECT_EQ(graph.nodes().begin()->op->name, row.op);
    // Exporters' constants are rounded to f32.
    const Tensors in = random_inputs(original);
    expect_near(interpret(graph, in), interpret(original, in), 1e-6);
  }
}

const Pattern kPatterns[] = {
    {"relu_as_clamp", "%y = clamp(%x) {low=0.0}: f32[40]", "relu"},
    {"relu_as_maximum", "%y = maximum(f32(0), %x): f32[40]", "relu"},
    {"relu6_as_clamp", "%y = clamp(%x) {low=0.0, high=6.0}: f32[40]", "relu6"},
    {"silu", "%s = sigmoid(%x): f32[40]\n %y = mul(%s, %x): f32[40]", "silu"},
    {"hardsigmoid", "%a = add(%x, f32(3)): f32[40]\n %b = relu6(%a): f32[40]\n %y = div(%b, f32(6)): f32[40]",
     "hardsigmoid"},
    {"hardsigmoid_by_product",
     "%a = add(f32(3), %x): f32[40]\n %b = relu6(%a): f32[40]\n %y = mul(%b, f32(0.16666667)): f32[40]", "hardsigmoid"},
    {"hardswish_by_hardsigmoid", "%a = hardsigmoid(%x): f32[40]\n %y = mul(%x, %a): f32[40]", "hardswish"},
    {"hardswish_spelled_out",
     "%a = add(%x, f32(3)): f32[40]\n %b = relu6(%a): f32[40]\n %c = mul(%x, %b): f32[40]\n %y = div(%c, f32(6)): "
     "f32[40]",
     "hardswish"},
    {"gelu",
     "%a = div(%x, f32(1.4142135)): f32[40]\n %b = erf(%a): f32[40]\n %c = add(%b, f32(1)): f32[40]\n"
     "%d = mul(%x, %c): f32[40]\n %y = mul(%d, f32(0.5)): f32[40]",
     "gelu"},
    {"gelu_half_inside",
     "%a = mul(%x, f32(0.70710677)): f32[40]\n %b = erf(%a): f32[40]\n %c = add(f32(1), %b): f32[40]\n"
     "%d = mul(%c, f32(0.5)): f32[40]\n %y = mul(%x, %d): f32[40]",
     "gelu"},
    {"gelu_half_first",
     "%h = mul(%x, f32(0.5)): f32[40]\n %a = div(%x, f32(1.4142135)): f32[40]\n %b = erf(%a): f32[40]\n"
     "%c = add(%b, f32(1)): f32[40]\n %y = mul(%h, %c): f32[40]",
     "gelu"}};

TEST(RecogniseActivations, NamesWhatExportersWriteOut) {
  for (const Pattern& row : kPatterns) check(row);
}

TEST(RecogniseActivations, LeavesWhatOnlyLooksAlike) {
  Graph graph = graph_of(R"(
    graph(%x: f32[4], %z: f32[4], %b: f32[3, 4]) {
      %s = sigmoid(%x): f32[4]
      %a = mul(%z, %s): f32[4]
      %c = clamp(%x) {low=0.0, high=5.0}: f32[4]
      %d = clamp(%x) {low=-1.0, high=6.0}: f32[4]
      %t = add(%x, f32(2)): f32[4]
      %r = relu6(%t): f32[4]
      %e = div(%r, f32(6)): f32[4]
      %m = maximum(%x, f32(1)): f32[4]
      return %a, %c, %d, %e, %m
    })");
  Report report;
  EXPECT_FALSE(recognise_activations(graph, report));
}

}  // namespace
}  // namespace ingot::test
