#include "helpers.h"

namespace ingot::test {
namespace {

const Rewrite kRewrites[] = {{"plain_convolutions", fuse_depthwise_pointwise, R"(
        const @w: f32[4, 1, 3, 3]
        const @v: f32[6, 4, 1, 1]
        const @c: f32[6]
        graph(%x: f32[2, 4, 5, 5]) {
          %d = conv2d(%x, @w) {padding=[1, 1, 1, 1], groups=4}: f32[2, 4, 5, 5]  # depthwise
          %y = conv2d(%d, @v, @c): f32[2, 6, 5, 5]  # pointwise
          return %y
        })",
                              R"(
        const @w: f32[4, 1, 3, 3]
        const @v: f32[6, 4, 1, 1]
        const @c: f32[6]
        graph(%x: f32[2, 4, 5, 5]) {
          %y = conv2d_depthwise_pointwise(%x, @w, _, @v, @c) {padding=[1, 1, 1, 1], groups=4}: f32[2, 6, 5, 5]  # pointwise
          return %y
        })"},
                             {"activations_and_a_residual_made_between", fuse_depthwise_pointwise, R"(
        size n = 2 in 1..8
        const @w: f32[6, 1, 5, 5]
        const @b: f32[6]
        const @v: f32[6, 6, 1, 1]
        graph(%x: f32[n, 6, 7, 7]) {
          %d = conv2d_fused(%x, @w, @b) {stride=[2, 2], padding=[2, 2, 2, 2], groups=6, activation="leaky_relu", alpha=0.2}: f32[n, 6, 4, 4]
          %r = max_pool2d(%x) {kernel=[1, 1], stride=[2, 2]}: f32[n, 6, 4, 4]
          %y = conv2d_fused(%d, @v, _, %r) {activation="elu", alpha=0.7}: f32[n, 6, 4, 4]
          return %y
        })",
                              R"(
        size n = 2 in 1..8
        const @w: f32[6, 1, 5, 5]
        const @b: f32[6]
        const @v: f32[6, 6, 1, 1]
        graph(%x: f32[n, 6, 7, 7]) {
          %r = max_pool2d(%x) {kernel=[1, 1], stride=[2, 2]}: f32[n, 6, 4, 4]
          %y = conv2d_depthwise_pointwise(%x, @w, @b, @v, _, %r) {stride=[2, 2], padding=[2, 2, 2, 2], groups=6, activation="leaky_relu", alpha=0.2, pointwise_activation="elu", pointwise_alpha=0.7}: f32[n, 6, 4, 4]
          return %y
        })"},
                             {"one_after_the_other", fuse_depthwise_pointwise, R"(
        const @w: f32[3, 1, 3, 3]
        const @v: f32[3, 3, 1, 1]
        graph(%x: f32[1, 3, 5, 5]) {
          %d = conv2d(%x, @w) {padding=[1, 1, 1, 1], groups=3}: f32[1, 3, 5, 5]
          %p = conv2d(%d, @v): f32[1, 3, 5, 5]
          %e = conv2d(%p, @w) {dilation=[2, 2], groups=3}: f32[1, 3, 1, 1]
          %y = conv2d(%e, @v): f32[1, 3, 1, 1]
          return %y
        })",
                              R"(
        const @w: f32[3, 1, 3, 3]
        const @v: f32[3, 3, 1, 1]
        graph(%x: f32[1, 3, 5, 5]) {
          %p = conv2d_depthwise_pointwise(%x, @w, _, @v) {padding=[1, 1, 1, 1], groups=3}: f32[1, 3, 5, 5]
          %y = conv2d_depthwise_pointwise(%p, @w, _, @v) {dilation=[2, 2], groups=3}: f32[1, 3, 1, 1]
          return %y
        })"}};

const Refusal kRefusals[] = {{"an_output", fuse_depthwise_pointwise, R"(
        const @w: f32[3, 1, 1, 1]
        const @v: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %d = conv2d(%x, @w) {groups=3}: f32[2, 3, 5, 5]
          %y = conv2d(%d, @v): f32[2, 3, 5, 5]
          return %y, %d
        })",
                              "is an output of the graph"},
                             {"nobody", fuse_depthwise_pointwise, R"(
        const @w: f32[3, 1, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %d = conv2d(%x, @w) {groups=3}: f32[2, 3, 5, 5]
          %y = relu(%x): f32[2, 3, 5, 5]
          return %y
        })",
                              "nobody reads its result"},
                             {"an_attention_gate_between", fuse_depthwise_pointwise, R"(
        const @w: f32[3, 1, 1, 1]
        const @v: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %d = conv2d(%x, @w) {groups=3}: f32[2, 3, 5, 5]
          %m = mean(%d) {dims=[2, 3], keepdim=true}: f32[2, 3, 1, 1]
          %g = mul(%d, %m): f32[2, 3, 5, 5]
          %y = conv2d(%g, @v): f32[2, 3, 5, 5]
          return %y
        })",
                              "its result is read by mean and mul"},
                             {"another_reader", fuse_depthwise_pointwise, R"(
        const @w: f32[3, 1, 1, 1]
        const @v: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %d = conv2d(%x, @w) {groups=3}: f32[2, 3, 5, 5]
          %y = conv2d(%d, @v): f32[2, 3, 5, 5]
          %z = tanh(%d): f32[2, 3, 5, 5]
          return %y, %z
        })",
                              "its result is read by conv2d and tanh"},
                             {"no_convolution", fuse_depthwise_pointwise, R"(
        const @w: f32[3, 1, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %d = conv2d(%x, @w) {groups=3}: f32[2, 3, 5, 5]
          %y = max_pool2d(%d) {kernel=[2, 2]}: f32[2, 3, 2, 2]
          return %y
        })",
                              "read by max_pool2d, not by a 1x1 convolution"},
                             {"the_residual_of_the_next", fuse_depthwise_pointwise, R"(
        const @w: f32[3, 1, 1, 1]
        const @v: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %d = conv2d(%x, @w) {groups=3}: f32[2, 3, 5, 5]
          %y = conv2d_fused(%x, @v, _, %d): f32[2, 3, 5, 5]
          return %y
        })",
                              "not what the next convolution filters"},
                             {"a_next_that_is_larger", fuse_depthwise_pointwise, R"(
        const @w: f32[3, 1, 1, 1]
        const @v: f32[3, 3, 1, 3]
        graph(%x: f32[2, 3, 5, 5]) {
          %d = conv2d(%x, @w) {groups=3}: f32[2, 3, 5, 5]
          %y = conv2d(%d, @v): f32[2, 3, 5, 3]
          return %y
        })",
                              "the next convolution is not 1x1"},
                             {"groups", fuse_depthwise_pointwise, R"(
        const @w: f32[4, 1, 1, 1]
        const @v: f32[4, 2, 1, 1]
        graph(%x: f32[2, 4, 5, 5]) {
          %d = conv2d(%x, @w) {groups=4}: f32[2, 4, 5, 5]
          %y = conv2d(%d, @v) {groups=2}: f32[2, 4, 5, 5]
          return %y
        })",
                              "the 1x1 convolution has groups"},
                             {"a_stride", fuse_depthwise_pointwise, R"(
        const @w: f32[3, 1, 1, 1]
        const @v: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %d = conv2d(%x, @w) {groups=3}: f32[2, 3, 5, 5]
          %y = conv2d(%d, @v) {stride=[1, 2]}: f32[2, 3, 5, 3]
          return %y
        })",
                              "has a stride or padding"},
                             {"padding", fuse_depthwise_pointwise, R"(
        const @w: f32[3, 1, 1, 1]
        const @v: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %d = conv2d(%x, @w) {groups=3}: f32[2, 3, 5, 5]
          %y = conv2d(%d, @v) {padding=[0, 0, 1, 0]}: f32[2, 3, 6, 5]
          return %y
        })",
                              "has a stride or padding"},
                             {"a_residual_between", fuse_depthwise_pointwise, R"(
        const @w: f32[3, 1, 1, 1]
        const @v: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %d = conv2d_fused(%x, @w, _, %x) {groups=3}: f32[2, 3, 5, 5]
          %y = conv2d(%d, @v): f32[2, 3, 5, 5]
          return %y
        })",
                              "a residual is added between the two"},
                             {"a_weight_that_is_computed", fuse_depthwise_pointwise, R"(
        const @w: f32[3, 1, 1, 1]
        graph(%x: f32[2, 3, 5, 5], %v: f32[3, 3, 1, 1]) {
          %d = conv2d(%x, @w) {groups=3}: f32[2, 3, 5, 5]
          %y = conv2d(%d, %v): f32[2, 3, 5, 5]
          return %y
        })",
                              "a weight is not constant"}};

TEST(DepthwisePointwise, Rewrites) {
  for (const Rewrite& row : kRewrites) check(row);
}
TEST(DepthwisePointwise, RefusesAndSaysWhy) {
  for (const Refusal& row : kRefusals) check(row);
}

TEST(DepthwisePointwise, OtherConvolutionsAreNotMentioned) {
  Graph graph = graph_of(R"(
    const @u: f32[4, 2, 3, 3]
    const @v: f32[8, 4, 1, 1]
    const @w: f32[16, 1, 3, 3]
    graph(%x: f32[2, 4, 9, 9]) {
      %a = conv2d(%x, @u) {groups=2}: f32[2, 4, 7, 7]
      %b = conv2d(%a, @v): f32[2, 8, 7, 7]
      %y = conv2d(%b, @w) {groups=8}: f32[2, 16, 5, 5]
      return %y
    })");
  Report report;
  EXPECT_FALSE(fuse_depthwise_pointwise(graph, report));
  EXPECT_TRUE(report.entries.empty());
}

TEST(DepthwisePointwise, TheReportNamesBoth) {
  Graph graph = graph_of(kRewrites[0].before);
  Report report;
  fuse_depthwise_pointwise(graph, report);
  ASSERT_EQ(report.entries.size(), 1u);
  EXPECT_EQ(report.entries[0].node, "d");
  EXPECT_EQ(report.entries[0].path, "depthwise");
  EXPECT_EQ(report.entries[0].reason, "with %y");
}

}  // namespace
}  // namespace ingot::test
