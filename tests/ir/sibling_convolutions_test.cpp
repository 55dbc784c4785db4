#include "helpers.h"

namespace ingot::test {
namespace {

const Rewrite kRewrites[] = {{"plain_convolutions", merge_sibling_convolutions, R"(
        const @v: f32[5, 4, 1, 1]
        const @w: f32[6, 4, 1, 1]
        const @c: f32[6]
        graph(%x: f32[2, 4, 5, 5]) {
          %a = conv2d(%x, @v): f32[2, 5, 5, 5]  # first
          %b = conv2d(%x, @w, @c): f32[2, 6, 5, 5]  # second
          return %b, %a
        })",
                              R"(
        const @v: f32[5, 4, 1, 1]
        const @w: f32[6, 4, 1, 1]
        const @c: f32[6]
        graph(%x: f32[2, 4, 5, 5]) {
          %a, %b = conv2d_siblings(%x, @v, _, _, @w, @c): f32[2, 5, 5, 5], f32[2, 6, 5, 5]  # first
          return %b, %a
        })"},
                             {"an_inception_module", merge_sibling_convolutions, R"(
        size n = 2 in 1..8
        const @u: f32[5, 4, 1, 1]
        const @v: f32[3, 4, 1, 1]
        const @b: f32[3]
        const @v3: f32[6, 3, 3, 3]
        const @w: f32[7, 4, 1, 1]
        graph(%x: f32[n, 4, 5, 5]) {
          %r = max_pool2d(%x) {kernel=[1, 1], stride=[2, 2]}: f32[n, 4, 3, 3]
          %s = concat(%r, %r) {dim=1}: f32[n, 8, 3, 3]
          %t = slice(%s) {dim=1, start=0, end=5}: f32[n, 5, 3, 3]
          %a = conv2d_fused(%x, @u, _, %t) {stride=[2, 2], activation="leaky_relu", alpha=0.2}: f32[n, 5, 3, 3]
          %b = conv2d_fused(%x, @v, @b) {stride=[2, 2], activation="relu"}: f32[n, 3, 3, 3]
          %c = conv2d(%b, @v3) {padding=[1, 1, 1, 1]}: f32[n, 6, 3, 3]
          %d = conv2d(%x, @w) {stride=[2, 2]}: f32[n, 7, 3, 3]
          %y = concat(%a, %c, %d) {dim=1}: f32[n, 18, 3, 3]
          return %y
        })",
                              R"(
        size n = 2 in 1..8
        const @u: f32[5, 4, 1, 1]
        const @v: f32[3, 4, 1, 1]
        const @b: f32[3]
        const @v3: f32[6, 3, 3, 3]
        const @w: f32[7, 4, 1, 1]
        graph(%x: f32[n, 4, 5, 5]) {
          %r = max_pool2d(%x) {kernel=[1, 1], stride=[2, 2]}: f32[n, 4, 3, 3]
          %s = concat(%r, %r) {dim=1}: f32[n, 8, 3, 3]
          %t = slice(%s) {dim=1, start=0, end=5}: f32[n, 5, 3, 3]
          %a, %b, %d = conv2d_siblings(%x, @u, _, %t, @v, @b, _, @w) {stride=[2, 2], activations="leaky_relu relu none", alphas=[0.2, 0, 0]}: f32[n, 5, 3, 3], f32[n, 3, 3, 3], f32[n, 7, 3, 3]
          %c = conv2d(%b, @v3) {padding=[1, 1, 1, 1]}: f32[n, 6, 3, 3]
          %y = concat(%a, %c, %d) {dim=1}: f32[n, 18, 3, 3]
          return %y
        })"},
                             {"only_those_that_fit", merge_sibling_convolutions, R"(
        const @u: f32[3, 4, 3, 3]
        const @v: f32[4, 4, 1, 1]
        const @g: f32[4, 2, 1, 1]
        graph(%x: f32[2, 4, 5, 5]) {
          %a = conv2d(%x, @u) {padding=[1, 1, 1, 1]}: f32[2, 3, 5, 5]
          %b = conv2d(%x, @v): f32[2, 4, 5, 5]
          %c = conv2d(%x, @v) {stride=[2, 2]}: f32[2, 4, 3, 3]
          %d = conv2d(%x, @g) {groups=2}: f32[2, 4, 5, 5]
          %e = conv2d_fused(%x, @v, _, %b) {activation="relu"}: f32[2, 4, 5, 5]
          %f = conv2d_fused(%x, @v) {activation="relu"}: f32[2, 4, 5, 5]
          %g = conv2d_fused(%x, @v, _, %x) {stride=[2, 2], padding=[2, 2, 2, 2], activation="silu"}: f32[2, 4, 5, 5]
          return %a, %b, %c, %d, %e, %f, %g
        })",
                              R"(
        const @u: f32[3, 4, 3, 3]
        const @v: f32[4, 4, 1, 1]
        const @g: f32[4, 2, 1, 1]
        graph(%x: f32[2, 4, 5, 5]) {
          %a = conv2d(%x, @u) {padding=[1, 1, 1, 1]}: f32[2, 3, 5, 5]
          %b, %f = conv2d_siblings(%x, @v, _, _, @v) {activations="none relu"}: f32[2, 4, 5, 5], f32[2, 4, 5, 5]
          %c = conv2d(%x, @v) {stride=[2, 2]}: f32[2, 4, 3, 3]
          %d = conv2d(%x, @g) {groups=2}: f32[2, 4, 5, 5]
          %e = conv2d_fused(%x, @v, _, %b) {activation="relu"}: f32[2, 4, 5, 5]
          %g = conv2d_fused(%x, @v, _, %x) {stride=[2, 2], padding=[2, 2, 2, 2], activation="silu"}: f32[2, 4, 5, 5]
          return %a, %b, %c, %d, %e, %f, %g
        })"},
                             {"four_at_most", merge_sibling_convolutions, R"(
        const @w: f32[4, 4, 1, 1]
        graph(%x: f32[2, 4, 5, 5]) {
          %a = conv2d(%x, @w): f32[2, 4, 5, 5]
          %b = conv2d_fused(%x, @w) {activation="relu"}: f32[2, 4, 5, 5]
          %c = conv2d_fused(%x, @w) {activation="silu"}: f32[2, 4, 5, 5]
          %d = conv2d_fused(%x, @w) {activation="tanh"}: f32[2, 4, 5, 5]
          %e = conv2d_fused(%x, @w) {activation="gelu"}: f32[2, 4, 5, 5]
          return %a, %b, %c, %d, %e
        })",
                              R"(
        const @w: f32[4, 4, 1, 1]
        graph(%x: f32[2, 4, 5, 5]) {
          %a, %b, %c, %d = conv2d_siblings(%x, @w, _, _, @w, _, _, @w, _, _, @w) {activations="none relu silu tanh"}: f32[2, 4, 5, 5], f32[2, 4, 5, 5], f32[2, 4, 5, 5], f32[2, 4, 5, 5]
          %e = conv2d_fused(%x, @w) {activation="gelu"}: f32[2, 4, 5, 5]
          return %a, %b, %c, %d, %e
        })"}};

const Refusal kRefusals[] = {{"a_weight_that_is_computed", merge_sibling_convolutions, R"(
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5], %v: f32[3, 3, 1, 1]) {
          %a = conv2d(%x, %v): f32[2, 3, 5, 5]
          %b = conv2d(%x, @w): f32[2, 3, 5, 5]
          return %a, %b
        })",
                              "its weight is not constant"},
                             {"a_larger_kernel", merge_sibling_convolutions, R"(
        const @v: f32[3, 3, 3, 3]
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %a = conv2d(%x, @v): f32[2, 3, 3, 3]
          %b = conv2d(%x, @w): f32[2, 3, 5, 5]
          return %a, %b
        })",
                              "it is not 1x1, and larger ones gain nothing together"},
                             {"groups", merge_sibling_convolutions, R"(
        const @v: f32[4, 2, 1, 1]
        const @w: f32[4, 4, 1, 1]
        graph(%x: f32[2, 4, 5, 5]) {
          %a = conv2d(%x, @v) {groups=2}: f32[2, 4, 5, 5]
          %b = conv2d(%x, @w): f32[2, 4, 5, 5]
          return %a, %b
        })",
                              "it has groups"},
                             {"another_stride", merge_sibling_convolutions, R"(
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %a = conv2d(%x, @w): f32[2, 3, 5, 5]
          %b = conv2d(%x, @w) {stride=[1, 2]}: f32[2, 3, 5, 3]
          return %a, %b
        })",
                              "%b has another stride, padding or dilation"},
                             {"other_padding", merge_sibling_convolutions, R"(
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %a = conv2d(%x, @w): f32[2, 3, 5, 5]
          %b = conv2d(%x, @w) {padding=[1, 0, 0, 0]}: f32[2, 3, 6, 5]
          return %a, %b
        })",
                              "%b has another stride, padding or dilation"},
                             {"reachable", merge_sibling_convolutions, R"(
        const @v: f32[3, 3, 1, 1]
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %a = conv2d(%x, @v): f32[2, 3, 5, 5]
          %h = tanh(%a): f32[2, 3, 5, 5]
          %b = conv2d_fused(%x, @w, _, %h): f32[2, 3, 5, 5]
          return %b
        })",
                              "%b reads %h, which is made later"},
                             {"reachable_by_itself", merge_sibling_convolutions, R"(
        const @v: f32[3, 3, 1, 1]
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %a = conv2d(%x, @v): f32[2, 3, 5, 5]
          %b = conv2d_fused(%x, @w, _, %a): f32[2, 3, 5, 5]
          return %b
        })",
                              "%b reads %a, which is made later"},
                             {"a_residual_made_later", merge_sibling_convolutions, R"(
        const @v: f32[3, 3, 1, 1]
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %a = conv2d(%x, @v): f32[2, 3, 5, 5]
          %h = tanh(%x): f32[2, 3, 5, 5]
          %b = conv2d_fused(%x, @w, _, %h): f32[2, 3, 5, 5]
          return %a, %b
        })",
                              "%b reads %h, which is made later"}};

TEST(SiblingConvolutions, Rewrites) {
  for (const Rewrite& row : kRewrites) check(row);
}
TEST(SiblingConvolutions, RefusesAndSaysWhy) {
  for (const Refusal& row : kRefusals) check(row);
}

TEST(SiblingConvolutions, OthersAreNotMentioned) {
  Graph graph = graph_of(R"(
    const @w: f32[3, 3, 1, 1]
    graph(%x: f32[2, 3, 5, 5]) {
      %a = conv2d(%x, @w): f32[2, 3, 5, 5]
      %b = conv2d(%a, @w): f32[2, 3, 5, 5]
      %y = conv2d_fused(%b, @w, _, %a): f32[2, 3, 5, 5]
      return %y
    })");
  Report report;
  EXPECT_FALSE(merge_sibling_convolutions(graph, report));
  EXPECT_TRUE(report.entries.empty());
}

TEST(SiblingConvolutions, TheReportNamesAllAndWhatIsLeftOver) {
  Graph graph = graph_of(kRewrites[3].before);
  Report report;
  merge_sibling_convolutions(graph, report);
  ASSERT_EQ(report.entries.size(), 2U);
  EXPECT_EQ(report.entries[0].node, "a");
  EXPECT_EQ(report.entries[0].reason, "with %b, %c, %d");
  EXPECT_EQ(report.entries[1].node, "e");
  EXPECT_EQ(report.entries[1].reason, "those merged into %a are without it");
}

}  // namespace
}  // namespace ingot::test
