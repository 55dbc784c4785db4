#include "helpers.h"
#include "ingot/ops.h"

namespace ingot::test {
namespace {

using testing::HasSubstr;

const char* const kConvThenNorm = R"(
    const @w: f32[6, 3, 3, 3]
    const @b: f32[6]
    const @mean: f32[6]
    const @var: f32[6]
    const @gamma: f32[6]
    const @beta: f32[6]
    graph(%x: f32[2, 3, 5, 5]) {
      %c = conv2d(%x, @w, @b) {padding=[1, 1, 1, 1]}: f32[2, 6, 5, 5]  # conv
      %y = batch_norm(%c, @mean, @var, @gamma, @beta) {eps=0.001}: f32[2, 6, 5, 5]  # bn
      return %y
    })";

const Rewrite kConvBatchNorm[] = {{"with_bias", fold_conv_batch_norm, kConvThenNorm, R"(
        const @w.folded: f32[6, 3, 3, 3]
        const @b.folded: f32[6]
        graph(%x: f32[2, 3, 5, 5]) {
          %y = conv2d(%x, @w.folded, @b.folded) {padding=[1, 1, 1, 1]}: f32[2, 6, 5, 5]  # conv
          return %y
        })"},
                                  {"without_bias_and_affine_off", fold_conv_batch_norm, R"(
        const @w: f32[6, 3, 3, 3]
        const @mean: f32[6]
        const @var: f32[6]
        graph(%x: f32[2, 3, 5, 5]) {
          %c = conv2d(%x, @w): f32[2, 6, 3, 3]
          %y = batch_norm(%c, @mean, @var): f32[2, 6, 3, 3]
          return %y
        })",
                                   R"(
        const @w.folded: f32[6, 3, 3, 3]
        const @w.bias.folded: f32[6]
        graph(%x: f32[2, 3, 5, 5]) {
          %y = conv2d(%x, @w.folded, @w.bias.folded): f32[2, 6, 3, 3]
          return %y
        })"},
                                  {"absent_gamma_and_beta", fold_conv_batch_norm, R"(
        const @w: f32[6, 3, 1, 1]
        const @mean: f32[6]
        const @var: f32[6]
        graph(%x: f32[2, 3, 5, 5]) {
          %c = conv2d(%x, @w, _): f32[2, 6, 5, 5]
          %y = batch_norm(%c, @mean, @var, _, _): f32[2, 6, 5, 5]
          return %y
        })",
                                   R"(
        const @w.folded: f32[6, 3, 1, 1]
        const @w.bias.folded: f32[6]
        graph(%x: f32[2, 3, 5, 5]) {
          %y = conv2d(%x, @w.folded, @w.bias.folded): f32[2, 6, 5, 5]
          return %y
        })"},
                                  {"groups", fold_conv_batch_norm, R"(
        const @w: f32[6, 2, 3, 3]
        const @mean: f32[6]
        const @var: f32[6]
        graph(%x: f32[2, 4, 5, 5]) {
          %c = conv2d(%x, @w) {groups=2}: f32[2, 6, 3, 3]
          %y = batch_norm(%c, @mean, @var): f32[2, 6, 3, 3]
          return %y
        })",
                                   R"(
        const @w.folded: f32[6, 2, 3, 3]
        const @w.bias.folded: f32[6]
        graph(%x: f32[2, 4, 5, 5]) {
          %y = conv2d(%x, @w.folded, @w.bias.folded) {groups=2}: f32[2, 6, 3, 3]
          return %y
        })"},
                                  {"depthwise", fold_conv_batch_norm, R"(
        const @w: f32[8, 1, 3, 3]
        const @mean: f32[8]
        const @var: f32[8]
        graph(%x: f32[2, 4, 5, 5]) {
          %c = conv2d(%x, @w) {groups=4, stride=[2, 2]}: f32[2, 8, 2, 2]
          %y = batch_norm(%c, @mean, @var): f32[2, 8, 2, 2]
          return %y
        })",
                                   R"(
        const @w.folded: f32[8, 1, 3, 3]
        const @w.bias.folded: f32[8]
        graph(%x: f32[2, 4, 5, 5]) {
          %y = conv2d(%x, @w.folded, @w.bias.folded) {groups=4, stride=[2, 2]}: f32[2, 8, 2, 2]
          return %y
        })"},
                                  {"weight_shared_by_two_convs", fold_conv_batch_norm, R"(
        const @w: f32[6, 3, 3, 3]
        const @mean: f32[6]
        const @var: f32[6]
        graph(%x: f32[2, 3, 5, 5]) {
          %c = conv2d(%x, @w): f32[2, 6, 3, 3]
          %d = conv2d(%x, @w) {padding=[1, 1, 1, 1]}: f32[2, 6, 5, 5]
          %y = batch_norm(%c, @mean, @var): f32[2, 6, 3, 3]
          %z = batch_norm(%d, @mean, @var) {eps=0.5}: f32[2, 6, 5, 5]
          %p = conv2d(%x, @w): f32[2, 6, 3, 3]
          return %y, %z, %p
        })",
                                   R"(
        const @w: f32[6, 3, 3, 3]
        const @w.folded: f32[6, 3, 3, 3]
        const @w.bias.folded: f32[6]
        const @w.folded_1: f32[6, 3, 3, 3]
        const @w.bias.folded_1: f32[6]
        graph(%x: f32[2, 3, 5, 5]) {
          %y = conv2d(%x, @w.folded, @w.bias.folded): f32[2, 6, 3, 3]
          %z = conv2d(%x, @w.folded_1, @w.bias.folded_1) {padding=[1, 1, 1, 1]}: f32[2, 6, 5, 5]
          %p = conv2d(%x, @w): f32[2, 6, 3, 3]
          return %y, %z, %p
        })"},
                                  {"two_batch_norms_in_a_row", fold_conv_batch_norm, R"(
        const @w: f32[6, 3, 3, 3]
        const @mean: f32[6]
        const @var: f32[6]
        graph(%x: f32[2, 3, 5, 5]) {
          %c = conv2d(%x, @w): f32[2, 6, 3, 3]
          %d = batch_norm(%c, @mean, @var): f32[2, 6, 3, 3]
          %y = batch_norm(%d, @mean, @var): f32[2, 6, 3, 3]
          return %y
        })",
                                   R"(
        const @w.folded_1: f32[6, 3, 3, 3]
        const @w.bias.folded_1: f32[6]
        graph(%x: f32[2, 3, 5, 5]) {
          %y = conv2d(%x, @w.folded_1, @w.bias.folded_1): f32[2, 6, 3, 3]
          return %y
        })"},
                                  {"symbolic_batch", fold_conv_batch_norm, R"(
        size n = 2 in 1..8
        const @w: f32[6, 3, 3, 3]
        const @mean: f32[6]
        const @var: f32[6]
        graph(%x: f32[n, 3, 5, 5]) {
          %c = conv2d(%x, @w): f32[n, 6, 3, 3]
          %y = batch_norm(%c, @mean, @var): f32[n, 6, 3, 3]
          return %y
        })",
                                   R"(
        size n = 2 in 1..8
        const @w.folded: f32[6, 3, 3, 3]
        const @w.bias.folded: f32[6]
        graph(%x: f32[n, 3, 5, 5]) {
          %y = conv2d(%x, @w.folded, @w.bias.folded): f32[n, 6, 3, 3]
          return %y
        })"},
                                  {"linear", fold_conv_batch_norm, R"(
        const @w: f32[6, 3]
        const @b: f32[6]
        const @mean: f32[6]
        const @var: f32[6]
        graph(%x: f32[4, 3]) {
          %c = linear(%x, @w, @b): f32[4, 6]
          %y = batch_norm(%c, @mean, @var): f32[4, 6]
          return %y
        })",
                                   R"(
        const @w.folded: f32[6, 3]
        const @b.folded: f32[6]
        graph(%x: f32[4, 3]) {
          %y = linear(%x, @w.folded, @b.folded): f32[4, 6]
          return %y
        })"}};

const Refusal kConvBatchNormRefusals[] = {{"training_mode", fold_conv_batch_norm, R"(
        const @w: f32[6, 3, 3, 3]
        graph(%x: f32[2, 3, 5, 5]) {
          %c = conv2d(%x, @w): f32[2, 6, 3, 3]
          %y, %m, %v = batch_norm_train(%c): f32[2, 6, 3, 3], f32[6], f32[6]
          return %y
        })",
                                           "training mode"},
                                          {"no_convolution", fold_conv_batch_norm, R"(
        const @mean: f32[3]
        const @var: f32[3]
        graph(%x: f32[2, 3, 5, 5]) {
          %y = batch_norm(%x, @mean, @var): f32[2, 3, 5, 5]
          return %y
        })",
                                           "not made by a convolution"},
                                          {"the_convolution_is_an_output", fold_conv_batch_norm, R"(
        const @w: f32[6, 3, 3, 3]
        const @mean: f32[6]
        const @var: f32[6]
        graph(%x: f32[2, 3, 5, 5]) {
          %c = conv2d(%x, @w): f32[2, 6, 3, 3]
          %y = batch_norm(%c, @mean, @var): f32[2, 6, 3, 3]
          return %y, %c
        })",
                                           "is an output of the graph"},
                                          {"the_convolution_has_two_readers", fold_conv_batch_norm, R"(
        const @w: f32[6, 3, 3, 3]
        const @mean: f32[6]
        const @var: f32[6]
        graph(%x: f32[2, 3, 5, 5]) {
          %c = conv2d(%x, @w): f32[2, 6, 3, 3]
          %y = batch_norm(%c, @mean, @var): f32[2, 6, 3, 3]
          %z = relu(%c): f32[2, 6, 3, 3]
          return %y, %z
        })",
                                           "has other readers"},
                                          {"the_weight_is_no_constant", fold_conv_batch_norm, R"(
        const @mean: f32[6]
        const @var: f32[6]
        graph(%x: f32[2, 3, 5, 5], %w: f32[6, 3, 3, 3]) {
          %c = conv2d(%x, %w): f32[2, 6, 3, 3]
          %y = batch_norm(%c, @mean, @var): f32[2, 6, 3, 3]
          return %y
        })",
                                           "the weight or bias is not constant"},
                                          {"the_bias_is_no_constant", fold_conv_batch_norm, R"(
        const @w: f32[6, 3, 3, 3]
        const @mean: f32[6]
        const @var: f32[6]
        graph(%x: f32[2, 3, 5, 5], %b: f32[6]) {
          %c = conv2d(%x, @w, %b): f32[2, 6, 3, 3]
          %y = batch_norm(%c, @mean, @var): f32[2, 6, 3, 3]
          return %y
        })",
                                           "the weight or bias is not constant"},
                                          {"the_statistics_are_no_constants", fold_conv_batch_norm, R"(
        const @w: f32[6, 3, 3, 3]
        const @var: f32[6]
        graph(%x: f32[2, 3, 5, 5], %mean: f32[6]) {
          %c = conv2d(%x, @w): f32[2, 6, 3, 3]
          %y = batch_norm(%c, %mean, @var): f32[2, 6, 3, 3]
          return %y
        })",
                                           "statistics and parameters are not all constant"},
                                          {"the_scale_is_not_finite", fold_conv_batch_norm, R"(
        const @w: f32[6, 3, 3, 3]
        const @mean: f32[6]
        const @var: f32[6]
        graph(%x: f32[2, 3, 5, 5]) {
          %c = conv2d(%x, @w): f32[2, 6, 3, 3]
          %y = batch_norm(%c, @mean, @var) {eps=-10.0}: f32[2, 6, 3, 3]
          return %y
        })",
                                           "not finite"},
                                          {"channels_and_features_differ", fold_conv_batch_norm, R"(
        const @w: f32[6, 3]
        const @mean: f32[4]
        const @var: f32[4]
        graph(%x: f32[2, 4, 3]) {
          %c = linear(%x, @w): f32[2, 4, 6]
          %y = batch_norm(%c, @mean, @var): f32[2, 4, 6]
          return %y
        })",
                                           "batch norm's channels are dimension 1"}};

const Rewrite kBatchNormConv[] = {{"without_padding", fold_batch_norm_conv, R"(
        const @w: f32[6, 4, 3, 3]
        const @b: f32[6]
        const @mean: f32[4]
        const @var: f32[4]
        const @gamma: f32[4]
        const @beta: f32[4]
        graph(%x: f32[2, 4, 5, 5]) {
          %n = batch_norm(%x, @mean, @var, @gamma, @beta): f32[2, 4, 5, 5]
          %y = conv2d(%n, @w, @b): f32[2, 6, 3, 3]
          return %y
        })",
                                   R"(
        const @w.folded: f32[6, 4, 3, 3]
        const @b.folded: f32[6]
        graph(%x: f32[2, 4, 5, 5]) {
          %y = conv2d(%x, @w.folded, @b.folded): f32[2, 6, 3, 3]
          return %y
        })"},
                                  {"groups", fold_batch_norm_conv, R"(
        const @w: f32[6, 2, 3, 3]
        const @mean: f32[4]
        const @var: f32[4]
        graph(%x: f32[2, 4, 5, 5]) {
          %n = batch_norm(%x, @mean, @var): f32[2, 4, 5, 5]
          %y = conv2d(%n, @w) {groups=2}: f32[2, 6, 3, 3]
          return %y
        })",
                                   R"(
        const @w.folded: f32[6, 2, 3, 3]
        const @w.bias.folded: f32[6]
        graph(%x: f32[2, 4, 5, 5]) {
          %y = conv2d(%x, @w.folded, @w.bias.folded) {groups=2}: f32[2, 6, 3, 3]
          return %y
        })"},
                                  {"padding_lets_only_the_scale_through", fold_batch_norm_conv, R"(
        const @w: f32[4, 1, 3, 3]
        const @b: f32[4]
        const @mean: f32[4]
        const @var: f32[4]
        graph(%x: f32[2, 4, 5, 5]) {
          %n = batch_norm(%x, @mean, @var): f32[2, 4, 5, 5]  # bn
          %y = conv2d(%n, @w, @b) {padding=[1, 1, 1, 1], groups=4}: f32[2, 4, 5, 5]
          return %y
        })",
                                   R"(
        const @b: f32[4]
        const @w.folded: f32[4, 1, 3, 3]
        const @mean.folded: f32[1, 4, 1, 1]
        graph(%x: f32[2, 4, 5, 5]) {
          %add = add(%x, @mean.folded): f32[2, 4, 5, 5]  # bn
          %y = conv2d(%add, @w.folded, @b) {padding=[1, 1, 1, 1], groups=4}: f32[2, 4, 5, 5]
          return %y
        })"},
                                  {"linear", fold_batch_norm_conv, R"(
        const @w: f32[6, 4]
        const @mean: f32[4]
        const @var: f32[4]
        graph(%x: f32[2, 4]) {
          %n = batch_norm(%x, @mean, @var): f32[2, 4]
          %y = linear(%n, @w): f32[2, 6]
          return %y
        })",
                                   R"(
        const @w.folded: f32[6, 4]
        const @w.bias.folded: f32[6]
        graph(%x: f32[2, 4]) {
          %y = linear(%x, @w.folded, @w.bias.folded): f32[2, 6]
          return %y
        })"}};

const Refusal kBatchNormConvRefusals[] = {{"no_convolution_follows", fold_batch_norm_conv, R"(
        const @mean: f32[4]
        const @var: f32[4]
        graph(%x: f32[2, 4, 5, 5]) {
          %n = batch_norm(%x, @mean, @var): f32[2, 4, 5, 5]
          %y = relu(%n): f32[2, 4, 5, 5]
          return %y
        })",
                                           "not the input of a convolution"},
                                          {"it_is_the_weight", fold_batch_norm_conv, R"(
        const @mean: f32[3]
        const @var: f32[3]
        graph(%x: f32[2, 3, 5, 5], %w: f32[4, 3, 3, 3]) {
          %n = batch_norm(%w, @mean, @var): f32[4, 3, 3, 3]
          %y = conv2d(%x, %n): f32[2, 4, 3, 3]
          return %y
        })",
                                           "not the input of a convolution"},
                                          {"it_is_an_output", fold_batch_norm_conv, R"(
        const @w: f32[6, 4, 3, 3]
        const @mean: f32[4]
        const @var: f32[4]
        graph(%x: f32[2, 4, 5, 5]) {
          %n = batch_norm(%x, @mean, @var): f32[2, 4, 5, 5]
          %y = conv2d(%n, @w): f32[2, 6, 3, 3]
          return %y, %n
        })",
                                           "is an output of the graph"},
                                          {"it_has_two_readers", fold_batch_norm_conv, R"(
        const @w: f32[6, 4, 3, 3]
        const @mean: f32[4]
        const @var: f32[4]
        graph(%x: f32[2, 4, 5, 5]) {
          %n = batch_norm(%x, @mean, @var): f32[2, 4, 5, 5]
          %y = conv2d(%n, @w): f32[2, 6, 3, 3]
          %z = conv2d(%n, @w) {stride=[2, 2]}: f32[2, 6, 2, 2]
          return %y, %z
        })",
                                           "other readers"},
                                          {"the_weight_is_no_constant", fold_batch_norm_conv, R"(
        const @mean: f32[4]
        const @var: f32[4]
        graph(%x: f32[2, 4, 5, 5], %w: f32[6, 4, 3, 3]) {
          %n = batch_norm(%x, @mean, @var): f32[2, 4, 5, 5]
          %y = conv2d(%n, %w): f32[2, 6, 3, 3]
          return %y
        })",
                                           "the weight or bias is not constant"},
                                          {"the_statistics_are_no_constants", fold_batch_norm_conv, R"(
        const @w: f32[6, 4, 3, 3]
        const @mean: f32[4]
        graph(%x: f32[2, 4, 5, 5], %var: f32[4]) {
          %n = batch_norm(%x, @mean, %var): f32[2, 4, 5, 5]
          %y = conv2d(%n, @w): f32[2, 6, 3, 3]
          return %y
        })",
                                           "not all constant"},
                                          {"channels_and_features_differ", fold_batch_norm_conv, R"(
        const @w: f32[6, 3]
        const @mean: f32[4]
        const @var: f32[4]
        graph(%x: f32[2, 4, 3]) {
          %n = batch_norm(%x, @mean, @var): f32[2, 4, 3]
          %y = linear(%n, @w): f32[2, 4, 6]
          return %y
        })",
                                           "batch norm's channels are dimension 1"}};

TEST(ConvBatchNorm, Rewrites) {
  for (const Rewrite& row : kConvBatchNorm) check(row);
}
TEST(ConvBatchNorm, RefusesAndSaysWhy) {
  for (const Refusal& row : kConvBatchNormRefusals) check(row);
}

TEST(BatchNormConv, Rewrites) {
  for (const Rewrite& row : kBatchNormConv) check(row);
}
TEST(BatchNormConv, RefusesAndSaysWhy) {
  for (const Refusal& row : kBatchNormConvRefusals) check(row);
}

TEST(FoldBatchNormConv, AScaleOfZeroCannotCarryTheShiftThroughPadding) {
  Graph graph = graph_of(R"(
    const @w: f32[4, 4, 3, 3]
    const @mean: f32[4]
    const @var: f32[4]
    const @gamma: f32[4]
    const @beta: f32[4]
    graph(%x: f32[2, 4, 5, 5]) {
      %n = batch_norm(%x, @mean, @var, @gamma, @beta): f32[2, 4, 5, 5]
      %y = conv2d(%n, @w) {padding=[1, 1, 1, 1]}: f32[2, 4, 5, 5]
      return %y
    })");
  fill(graph.find_constant("gamma")->constant, 0);
  Report report;
  EXPECT_FALSE(fold_batch_norm_conv(graph, report));
  EXPECT_THAT(report.entries.at(0).reason, HasSubstr("a scale of 0"));
  // Without a shift nothing stands in the way.
  fill(graph.find_constant("beta")->constant, 0);
  const Graph original = graph.clone();
  EXPECT_TRUE(fold_batch_norm_conv(graph, report));
  expect_same_results(original, graph);
}

}  // namespace
}  // namespace ingot::test
