#include "helpers.h"
#include "ingot/ops.h"
#include "ops/attrs.h"

namespace ingot::test {
namespace {

using testing::HasSubstr;

// ---- Pad

const Rewrite kPad[] = {{"into_a_convolution", fold_pad, R"(
        const @w: f32[4, 3, 3, 3]
        graph(%x: f32[2, 3, 5, 5]) {
          %p = pad(%x) {before=[0, 0, 1, 2], after=[0, 0, 3, 0]}: f32[2, 3, 9, 7]
          %y = conv2d(%p, @w) {padding=[1, 1, 1, 1]}: f32[2, 4, 9, 7]
          return %y
        })",
                         R"(
        const @w: f32[4, 3, 3, 3]
        graph(%x: f32[2, 3, 5, 5]) {
          %y = conv2d(%x, @w) {padding=[2, 3, 4, 1]}: f32[2, 4, 9, 7]
          return %y
        })"},
                        {"into_an_average_pool_that_counts", fold_pad, R"(
        graph(%x: f32[2, 3, 5, 5]) {
          %p = pad(%x) {before=[0, 0, 1, 1], after=[0, 0, 1, 1]}: f32[2, 3, 7, 7]
          %y = avg_pool2d(%p) {kernel=[3, 3], stride=[1, 1], padding=[0, 0, 0, 0], count_include_pad=true}: f32[2, 3, 5, 5]
          return %y
        })",
                         R"(
        graph(%x: f32[2, 3, 5, 5]) {
          %y = avg_pool2d(%x) {kernel=[3, 3], stride=[1, 1], padding=[1, 1, 1, 1], count_include_pad=true}: f32[2, 3, 5, 5]
          return %y
        })"},
                        {"into_an_average_pool_without_padding_of_its_own", fold_pad, R"(
        graph(%x: f32[2, 3, 5, 5]) {
          %p = pad(%x) {before=[0, 0, 1, 1], after=[0, 0, 1, 1]}: f32[2, 3, 7, 7]
          %y = avg_pool2d(%p) {kernel=[3, 3], stride=[1, 1], padding=[0, 0, 0, 0], count_include_pad=false}: f32[2, 3, 5, 5]
          return %y
        })",
                         R"(
        graph(%x: f32[2, 3, 5, 5]) {
          %y = avg_pool2d(%x) {kernel=[3, 3], stride=[1, 1], padding=[1, 1, 1, 1], count_include_pad=true}: f32[2, 3, 5, 5]
          return %y
        })"}};

const Refusal kPadRefusals[] = {{"a_value_that_is_not_zero", fold_pad, R"(
        const @w: f32[4, 3, 3, 3]
        graph(%x: f32[2, 3, 5, 5]) {
          %p = pad(%x) {before=[0, 0, 1, 1], after=[0, 0, 1, 1], value=0.5}: f32[2, 3, 7, 7]
          %y = conv2d(%p, @w): f32[2, 4, 5, 5]
          return %y
        })",
                                 "it pads with 0.5"},
                                {"channels", fold_pad, R"(
        const @w: f32[4, 4, 3, 3]
        graph(%x: f32[2, 3, 5, 5]) {
          %p = pad(%x) {before=[0, 1, 1, 1], after=[0, 0, 1, 1]}: f32[2, 4, 7, 7]
          %y = conv2d(%p, @w): f32[2, 4, 5, 5]
          return %y
        })",
                                 "samples or channels"},
                                {"a_cut", fold_pad, R"(
        const @w: f32[4, 3, 3, 3]
        graph(%x: f32[2, 3, 5, 5]) {
          %p = pad(%x) {before=[0, 0, -1, 1], after=[0, 0, 1, 1]}: f32[2, 3, 5, 7]
          %y = conv2d(%p, @w): f32[2, 4, 3, 5]
          return %y
        })",
                                 "cuts instead of padding"},
                                {"a_maximum_pool", fold_pad, R"(
        graph(%x: f32[2, 3, 5, 5]) {
          %p = pad(%x) {before=[0, 0, 1, 1], after=[0, 0, 1, 1]}: f32[2, 3, 7, 7]
          %y = max_pool2d(%p) {kernel=[3, 3], stride=[2, 2]}: f32[2, 3, 3, 3]
          return %y
        })",
                                 "not the input of a convolution or average pool"},
                                {"other_readers", fold_pad, R"(
        const @w: f32[4, 3, 3, 3]
        graph(%x: f32[2, 3, 5, 5]) {
          %p = pad(%x) {before=[0, 0, 1, 1], after=[0, 0, 1, 1]}: f32[2, 3, 7, 7]
          %y = conv2d(%p, @w): f32[2, 4, 5, 5]
          %z = relu(%p): f32[2, 3, 7, 7]
          return %y, %z
        })",
                                 "other readers"},
                                {"an_output", fold_pad, R"(
        const @w: f32[4, 3, 3, 3]
        graph(%x: f32[2, 3, 5, 5]) {
          %p = pad(%x) {before=[0, 0, 1, 1], after=[0, 0, 1, 1]}: f32[2, 3, 7, 7]
          %y = conv2d(%p, @w): f32[2, 4, 5, 5]
          return %y, %p
        })",
                                 "an output of the graph"},
                                {"ceil_mode", fold_pad, R"(
        graph(%x: f32[2, 3, 5, 5]) {
          %p = pad(%x) {before=[0, 0, 1, 1], after=[0, 0, 1, 1]}: f32[2, 3, 7, 7]
          %y = avg_pool2d(%p) {kernel=[2, 2], stride=[2, 2], ceil_mode=true}: f32[2, 3, 4, 4]
          return %y
        })",
                                 "ceil_mode"},
                                {"more_than_half_of_the_window", fold_pad, R"(
        graph(%x: f32[2, 3, 5, 5]) {
          %p = pad(%x) {before=[0, 0, 0, 2], after=[0, 0, 0, 0]}: f32[2, 3, 5, 7]
          %y = avg_pool2d(%p) {kernel=[3, 3], stride=[1, 1]}: f32[2, 3, 3, 5]
          return %y
        })",
                                 "half of its window"},
                                {"a_pool_that_does_not_count_its_padding", fold_pad, R"(
        graph(%x: f32[2, 3, 5, 5]) {
          %p = pad(%x) {before=[0, 0, 1, 1], after=[0, 0, 1, 1]}: f32[2, 3, 7, 7]
          %y = avg_pool2d(%p) {kernel=[3, 3], stride=[1, 1], padding=[1, 1, 1, 1], count_include_pad=false}: f32[2, 3, 7, 7]
          return %y
        })",
                                 "does not count its own padding"}};

TEST(Pad, Rewrites) {
  for (const Rewrite& row : kPad) check(row);
}
TEST(Pad, RefusesAndSaysWhy) {
  for (const Refusal& row : kPadRefusals) check(row);
}

// ---- Convolution and addition

const Rewrite kConvAdd[] = {{"a_residual", fuse_conv_add, R"(
        const @w: f32[3, 3, 3, 3]
        const @b: f32[3]
        graph(%x: f32[2, 3, 5, 5]) {
          %c = conv2d(%x, @w, @b) {padding=[1, 1, 1, 1]}: f32[2, 3, 5, 5]  # conv
          %y = add(%c, %x): f32[2, 3, 5, 5]
          return %y
        })",
                             R"(
        const @w: f32[3, 3, 3, 3]
        const @b: f32[3]
        graph(%x: f32[2, 3, 5, 5]) {
          %y = conv2d_fused(%x, @w, @b, %x) {padding=[1, 1, 1, 1]}: f32[2, 3, 5, 5]  # conv
          return %y
        })"},
                            {"the_residual_first_and_made_later", fuse_conv_add, R"(
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %c = conv2d(%x, @w): f32[2, 3, 5, 5]
          %r = tanh(%x): f32[2, 3, 5, 5]
          %y = add(%r, %c): f32[2, 3, 5, 5]
          return %y
        })",
                             R"(
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %r = tanh(%x): f32[2, 3, 5, 5]
          %y = conv2d_fused(%x, @w, _, %r): f32[2, 3, 5, 5]
          return %y
        })"},
                            {"two_convolutions_the_later_takes_the_other", fuse_conv_add, R"(
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %c = conv2d(%x, @w): f32[2, 3, 5, 5]
          %t = tanh(%x): f32[2, 3, 5, 5]
          %d = conv2d(%t, @w): f32[2, 3, 5, 5]
          %y = add(%c, %d): f32[2, 3, 5, 5]
          return %y
        })",
                             R"(
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %c = conv2d(%x, @w): f32[2, 3, 5, 5]
          %t = tanh(%x): f32[2, 3, 5, 5]
          %y = conv2d_fused(%t, @w, _, %c): f32[2, 3, 5, 5]
          return %y
        })"},
                            {"the_one_that_nobody_else_reads", fuse_conv_add, R"(
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %c = conv2d(%x, @w): f32[2, 3, 5, 5]
          %d = conv2d(%c, @w): f32[2, 3, 5, 5]
          %y = add(%c, %d): f32[2, 3, 5, 5]
          return %y
        })",
                             R"(
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %c = conv2d(%x, @w): f32[2, 3, 5, 5]
          %y = conv2d_fused(%c, @w, _, %c): f32[2, 3, 5, 5]
          return %y
        })"}};

const Refusal kConvAddRefusals[] = {{"both_operands_the_same", fuse_conv_add, R"(
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %c = conv2d(%x, @w): f32[2, 3, 5, 5]
          %y = add(%c, %c): f32[2, 3, 5, 5]
          return %y
        })",
                                     "the same value"},
                                    {"other_readers", fuse_conv_add, R"(
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %c = conv2d(%x, @w): f32[2, 3, 5, 5]
          %y = add(%x, %c): f32[2, 3, 5, 5]
          %z = relu(%c): f32[2, 3, 5, 5]
          return %y, %z
        })",
                                     "other readers"},
                                    {"an_output", fuse_conv_add, R"(
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %c = conv2d(%x, @w): f32[2, 3, 5, 5]
          %y = add(%c, %x): f32[2, 3, 5, 5]
          return %y, %c
        })",
                                     "an output of the graph"},
                                    {"a_broadcast_residual", fuse_conv_add, R"(
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5], %r: f32[2, 3, 1, 1]) {
          %c = conv2d(%x, @w): f32[2, 3, 5, 5]
          %y = add(%c, %r): f32[2, 3, 5, 5]
          return %y
        })",
                                     "the operands are [2, 3, 5, 5] and [2, 3, 1, 1]"},
                                    {"a_broadcast_convolution", fuse_conv_add, R"(
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 1, 1], %r: f32[2, 3, 5, 5]) {
          %c = conv2d(%x, @w): f32[2, 3, 1, 1]
          %y = add(%r, %c): f32[2, 3, 5, 5]
          return %y
        })",
                                     "the operands are [2, 3, 1, 1] and [2, 3, 5, 5]"},
                                    {"an_activation_between", fuse_conv_add, R"(
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %c = conv2d(%x, @w): f32[2, 3, 5, 5]
          %a = relu(%c): f32[2, 3, 5, 5]
          %y = add(%x, %a): f32[2, 3, 5, 5]
          return %y
        })",
                                     "the activation comes before the addition"},
                                    {"an_activation_inside", fuse_conv_add, R"(
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %c = conv2d_fused(%x, @w) {activation="relu"}: f32[2, 3, 5, 5]
          %y = add(%c, %x): f32[2, 3, 5, 5]
          return %y
        })",
                                     "the activation comes before the addition"},
                                    {"a_residual_already", fuse_conv_add, R"(
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %c = conv2d_fused(%x, @w, _, %x): f32[2, 3, 5, 5]
          %y = add(%c, %x): f32[2, 3, 5, 5]
          return %y
        })",
                                     "a residual already"},
                                    {"a_sum_in_another_layout", fuse_conv_add, R"(
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5] row_major) {
          %c = conv2d(%x, @w): f32[2, 3, 5, 5]
          %y = add(%x, %c): f32[2, 3, 5, 5] row_major
          return %y
        })",
                                     "the sum has another layout"},
                                    {"no_convolution", fuse_conv_add, R"(
        graph(%x: f32[2, 3], %z: f32[2, 3]) {
          %y = add(%x, %z): f32[2, 3]
          return %y
        })",
                                     "no operand is made by a convolution"}};

TEST(ConvAdd, Rewrites) {
  for (const Rewrite& row : kConvAdd) check(row);
}
TEST(ConvAdd, RefusesAndSaysWhy) {
  for (const Refusal& row : kConvAddRefusals) check(row);
}

// ---- Convolution and activation

const Rewrite kActivation[] = {{"conv_relu", fuse_conv_activation, R"(
        const @w: f32[4, 3, 3, 3]
        const @b: f32[4]
        graph(%x: f32[2, 3, 5, 5]) {
          %c = conv2d(%x, @w, @b) {stride=[2, 2]}: f32[2, 4, 2, 2]  # conv
          %y = relu(%c): f32[2, 4, 2, 2]  # act
          return %y
        })",
                                R"(
        const @w: f32[4, 3, 3, 3]
        const @b: f32[4]
        graph(%x: f32[2, 3, 5, 5]) {
          %y = conv2d_fused(%x, @w, @b) {stride=[2, 2], activation="relu"}: f32[2, 4, 2, 2]  # conv
          return %y
        })"},
                               {"after_a_residual", fuse_conv_activation, R"(
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %c = conv2d_fused(%x, @w, _, %x): f32[2, 3, 5, 5]
          %y = leaky_relu(%c) {alpha=0.2}: f32[2, 3, 5, 5]
          return %y
        })",
                                R"(
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %y = conv2d_fused(%x, @w, _, %x) {activation="leaky_relu", alpha=0.2}: f32[2, 3, 5, 5]
          return %y
        })"},
                               {"linear_elu", fuse_conv_activation, R"(
        const @w: f32[4, 3]
        graph(%x: f32[2, 3]) {
          %l = linear(%x, @w): f32[2, 4]
          %y = elu(%l) {alpha=1.5}: f32[2, 4]
          return %y
        })",
                                R"(
        const @w: f32[4, 3]
        graph(%x: f32[2, 3]) {
          %y = linear_fused(%x, @w) {activation="elu", alpha=1.5}: f32[2, 4]
          return %y
        })"}};

const Refusal kActivationRefusals[] = {{"other_readers", fuse_conv_activation, R"(
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %c = conv2d(%x, @w): f32[2, 3, 5, 5]
          %a = relu(%c): f32[2, 3, 5, 5]
          %y = add(%a, %c): f32[2, 3, 5, 5]
          return %y
        })",
                                        "has other readers"},
                                       {"an_output", fuse_conv_activation, R"(
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %c = conv2d(%x, @w): f32[2, 3, 5, 5]
          %y = relu(%c): f32[2, 3, 5, 5]
          return %y, %c
        })",
                                        "an output of the graph"},
                                       {"an_activation_already", fuse_conv_activation, R"(
        const @w: f32[3, 3, 1, 1]
        graph(%x: f32[2, 3, 5, 5]) {
          %c = conv2d_fused(%x, @w) {activation="relu"}: f32[2, 3, 5, 5]
          %y = tanh(%c): f32[2, 3, 5, 5]
          return %y
        })",
                                        "an activation already"},
                                       {"a_linear_layer_with_an_activation_already", fuse_conv_activation, R"(
        const @w: f32[3, 3]
        graph(%x: f32[2, 3]) {
          %c = linear_fused(%x, @w) {activation="relu"}: f32[2, 3]
          %y = tanh(%c): f32[2, 3]
          return %y
        })",
                                        "an activation already"},
                                       {"no_layer", fuse_conv_activation, R"(
        graph(%x: f32[2, 3]) {
          %y = relu(%x): f32[2, 3]
          return %y
        })",
                                        "not made by a convolution"}};

const Rewrite kBatchNormRelus[] = {{"after_a_concat", fuse_batch_norm_relu, R"(
        const @mean: f32[3]
        const @var: f32[3]
        const @gamma: f32[3]
        const @beta: f32[3]
        graph(%x: f32[2, 1, 5, 5], %z: f32[2, 2, 5, 5]) {
          %c = concat(%x, %z) {dim=1}: f32[2, 3, 5, 5]
          %n = batch_norm(%c, @mean, @var, @gamma, @beta) {eps=0.5}: f32[2, 3, 5, 5]
          %y = relu(%n): f32[2, 3, 5, 5]
          return %y, %c
        })",
                                    R"(
        const @mean: f32[3]
        const @var: f32[3]
        const @gamma: f32[3]
        const @beta: f32[3]
        graph(%x: f32[2, 1, 5, 5], %z: f32[2, 2, 5, 5]) {
          %c = concat(%x, %z) {dim=1}: f32[2, 3, 5, 5]
          %y = batch_norm_relu(%c, @mean, @var, @gamma, @beta) {eps=0.5}: f32[2, 3, 5, 5]
          return %y, %c
        })"}};

const Refusal kBatchNormReluRefusals[] = {{"other_readers", fuse_batch_norm_relu, R"(
        const @mean: f32[3]
        const @var: f32[3]
        graph(%x: f32[2, 3, 5, 5]) {
          %n = batch_norm(%x, @mean, @var): f32[2, 3, 5, 5]
          %r = relu(%n): f32[2, 3, 5, 5]
          %y = add(%r, %n): f32[2, 3, 5, 5]
          return %y
        })",
                                           "has other readers"},
                                          {"an_output", fuse_batch_norm_relu, R"(
        const @mean: f32[3]
        const @var: f32[3]
        graph(%x: f32[2, 3, 5, 5]) {
          %n = batch_norm(%x, @mean, @var): f32[2, 3, 5, 5]
          %y = relu(%n): f32[2, 3, 5, 5]
          return %y, %n
        })",
                                           "an output of the graph"},
                                          {"no_batch_norm", fuse_batch_norm_relu, R"(
        graph(%x: f32[2, 3]) {
          %y = relu(%x): f32[2, 3]
          return %y
        })",
                                           "not made by a batch norm"}};

TEST(BatchNormRelu, Rewrites) {
  for (const Rewrite& row : kBatchNormRelus) check(row);
}
TEST(BatchNormRelu, RefusesAndSaysWhy) {
  for (const Refusal& row : kBatchNormReluRefusals) check(row);
}

TEST(ConvActivation, Rewrites) {
  for (const Rewrite& row : kActivation) check(row);
}
TEST(ConvActivation, RefusesAndSaysWhy) {
  for (const Refusal& row : kActivationRefusals) check(row);
}

TEST(ConvActivation, FusesEveryKind) {
  for (const std::string_view kind : enum_names(Activation{})) {
    if (kind == "none") continue;
    const std::string text = fmt::format(R"(
      const @w: f32[8, 3, 3, 3]
      graph(%x: f32[2, 3, 7, 7]) {{
        %c = conv2d(%x, @w) {{padding=[1, 1, 1, 1]}}: f32[2, 8, 7, 7]
        %y = {}(%c): f32[2, 8, 7, 7]
        return %y
      }})",
                                         kind);
    for (const std::string& typed : {text, in_f64(text)}) {
      Graph graph = graph_of(typed);
      const Graph original = graph.clone();
      Report report;
      EXPECT_TRUE(fuse_conv_activation(graph, report)) << kind;
      ASSERT_EQ(graph.node_count(), 1u);
      EXPECT_EQ(graph.nodes().begin()->attrs.field("activation"), AttrValue(std::string(kind)));
      const testing::ScopedTrace trace(__FILE__, __LINE__, std::string(kind));
      expect_same_results(original, graph);
    }
  }
}

// ---- Flatten before a linear layer

const Rewrite kFlatten[] = {{"channels_last_planes", permute_flatten, R"(
        size n = 2 in 1..8
        const @w: f32[5, 48]
        const @b: f32[5]
        graph(%x: f32[n, 3, 8, 8]) {
          %p = max_pool2d(%x): f32[n, 3, 4, 4]
          %f = reshape(%p) {shape=[n, 48]}: f32[n, 48]  # flatten
          %y = linear(%f, @w, @b): f32[n, 5]
          return %y
        })",
                             R"(
        size n = 2 in 1..8
        const @b: f32[5]
        const @w.folded: f32[5, 48]
        graph(%x: f32[n, 3, 8, 8]) {
          %p = max_pool2d(%x): f32[n, 3, 4, 4]
          %permute = permute(%p) {dims=[0, 2, 3, 1]}: f32[n, 4, 4, 3]  # flatten
          %reshape = reshape(%permute) {shape=[n, 48]}: f32[n, 48]  # flatten
          %y = linear(%reshape, @w.folded, @b): f32[n, 5]
          return %y
        })"},
                            {"an_activated_layer", permute_flatten, R"(
        const @w: f32[5, 48]
        graph(%x: f32[2, 3, 4, 4]) {
          %f = reshape(%x) {shape=[2, 48]}: f32[2, 48]
          %y = linear_fused(%f, @w) {activation="relu"}: f32[2, 5]
          return %y
        })",
                             R"(
        const @w.folded: f32[5, 48]
        graph(%x: f32[2, 3, 4, 4]) {
          %permute = permute(%x) {dims=[0, 2, 3, 1]}: f32[2, 4, 4, 3]
          %reshape = reshape(%permute) {shape=[2, 48]}: f32[2, 48]
          %y = linear_fused(%reshape, @w.folded) {activation="relu"}: f32[2, 5]
          return %y
        })"}};

const Refusal kFlattenRefusals[] = {{"row_major_planes", permute_flatten, R"(
        const @w: f32[5, 48]
        graph(%x: f32[2, 3, 4, 4] row_major) {
          %f = reshape(%x) {shape=[2, 48]}: f32[2, 48]
          %y = linear(%f, @w): f32[2, 5]
          return %y
        })",
                                     "not channels-last"},
                                    {"no_planes", permute_flatten, R"(
        const @w: f32[5, 48]
        graph(%x: f32[2, 3, 16]) {
          %f = reshape(%x) {shape=[2, 48]}: f32[2, 48]
          %y = linear(%f, @w): f32[2, 5]
          return %y
        })",
                                     "not channels-last"},
                                    {"another_reshape", permute_flatten, R"(
        const @w: f32[5, 16]
        graph(%x: f32[2, 3, 4, 4]) {
          %f = reshape(%x) {shape=[6, 16]}: f32[6, 16]
          %y = linear(%f, @w): f32[6, 5]
          return %y
        })",
                                     "more than flatten each sample"},
                                    {"one_place", permute_flatten, R"(
        const @w: f32[5, 3]
        graph(%x: f32[2, 3, 1, 1]) {
          %f = reshape(%x) {shape=[2, 3]}: f32[2, 3]
          %y = linear(%f, @w): f32[2, 5]
          return %y
        })",
                                     "in order already"},
                                    {"one_channel", permute_flatten, R"(
        const @w: f32[5, 16]
        graph(%x: f32[2, 1, 4, 4]) {
          %f = reshape(%x) {shape=[2, 16]}: f32[2, 16]
          %y = linear(%f, @w): f32[2, 5]
          return %y
        })",
                                     "in order already"},
                                    {"a_permuted_view", permute_flatten, R"(
        const @w: f32[5, 48]
        graph(%x: f32[2, 3, 4, 4]) {
          %p = permute(%x) {dims=[0, 2, 3, 1]}: f32[2, 4, 4, 3]
          %f = reshape(%p) {shape=[2, 48]}: f32[2, 48]
          %y = linear(%f, @w): f32[2, 5]
          return %y
        })",
                                     "its input is a permuted view"},
                                    {"symbolic_planes", permute_flatten, R"(
        size h = 4 in 1..8
        graph(%x: f32[2, 3, h, 4]) {
          %f = reshape(%x) {shape=[2, 12*h]}: f32[2, 12*h]
          return %f
        })",
                                     "symbolic"},
                                    {"other_readers", permute_flatten, R"(
        const @w: f32[5, 48]
        graph(%x: f32[2, 3, 4, 4]) {
          %f = reshape(%x) {shape=[2, 48]}: f32[2, 48]
          %y = linear(%f, @w): f32[2, 5]
          %z = linear(%f, @w): f32[2, 5]
          return %y, %z
        })",
                                     "other readers"},
                                    {"an_output", permute_flatten, R"(
        const @w: f32[5, 48]
        graph(%x: f32[2, 3, 4, 4]) {
          %f = reshape(%x) {shape=[2, 48]}: f32[2, 48]
          %y = linear(%f, @w): f32[2, 5]
          return %y, %f
        })",
                                     "an output of the graph"},
                                    {"no_linear_layer", permute_flatten, R"(
        graph(%x: f32[2, 3, 4, 4]) {
          %f = reshape(%x) {shape=[2, 48]}: f32[2, 48]
          %y = relu(%f): f32[2, 48]
          return %y
        })",
                                     "not the input of a linear layer"},
                                    {"a_weight_that_is_computed", permute_flatten, R"(
        graph(%x: f32[2, 3, 4, 4], %w: f32[5, 48]) {
          %f = reshape(%x) {shape=[2, 48]}: f32[2, 48]
          %y = linear(%f, %w): f32[2, 5]
          return %y
        })",
                                     "the weight is not constant"}};

TEST(Flatten, Rewrites) {
  for (const Rewrite& row : kFlatten) check(row);
}
TEST(Flatten, RefusesAndSaysWhy) {
  for (const Refusal& row : kFlattenRefusals) check(row);
}

}  // namespace
}  // namespace ingot::test
