// What each function on tensors says of operands and options that it does not take.
#include <gmock/gmock.h>

#include "error_of.h"
#include "ingot/ops.h"
#include "ops/attrs.h"
#include "ops/defs.h"

namespace ingot {
namespace {

struct Refusal {
  std::function<void()> call;
  const char* text;
};

void expect(const std::vector<Refusal>& all) {
  for (const auto& [call, text] : all) EXPECT_EQ(error_of(call), text);
}

const Tensor kLine = ones({3}), kRows = ones({2, 3}), kSignal = ones({2, 4, 5}), kImage = ones({2, 4, 5, 6}),
             kVolume = ones({1, 2, 3, 4, 5}), kIndex = zeros({2, 3}, DType::i64);

TEST(OpRefusals, Elementwise) {
  expect({{[] { where(kLine, kLine, kLine); }, "[where] the condition must be bool, it is f32"},
          {[] { clamp(kLine, 1, 0); }, "[clamp] low 1 is above high 0"},
          {[] { prelu(kImage, ones({3})); },
           "[prelu] the slope [3] must have 1 element, or one for each channel of [2, 4, 5, 6]"},
          {[] { exp(kIndex); }, "[exp] i64 is not supported, only f32, f64 and bf16 are; use cast()"},
          {[] { mean(kIndex); }, "[mean] needs a floating tensor, it is i64; use cast()"},
          {[] { sum(kRows, {2}); }, "[sum] dimension 2 is outside the 2 of [2, 3]"},
          {[] { sum(kRows, {1, -1}); }, "[sum] a dimension is named twice"},
          {[] { sum(ones({2}, DType::f16)); }, "[sum] f16 is for storage only; use cast()"},
          {[] { amax(ones({2, 0}), {1}); }, "[amax] dimension 1 of [2, 0] is empty and has no extremum"},
          {[] { argmax(ones({2, 0}), 1); }, "[argmax] dimension 1 of [2, 0] is empty"}});
}

TEST(OpRefusals, Shapes) {
  expect({{[] { reshape(kRows, {4}); }, "[reshape] [2, 3] cannot have shape [4]: the numbers of elements differ"},
          {[] { reshape(kRows, {-1, -1}); }, "[reshape] only one size of [-1, -1] can be -1"},
          {[] { reshape(ones({0, 3}), {0, -1}); }, "[reshape] -1 in [0, -1] is open beside a size of 0"},
          {[] { reshape(kRows, {-2, -3}); }, "[reshape] [-2, -3] has a negative size"},
          {[] { flatten(kImage, 2, 1); }, "[flatten] start_dim 2 is after end_dim 1"},
          {[] { permute(kRows, {0}); }, "[permute] 1 dimensions are named, the tensor has 2"},
          {[] { permute(kRows, {0, 0}); }, "[permute] dimension 0 is named twice"},
          {[] { expand(kRows, {3}); }, "[expand] [2, 3] has more dimensions than [3]"},
          {[] { expand(kRows, {4, 3}); }, "[expand] shapes [2, 3] and [4, 3] do not broadcast"},
          {[] { slice(kRows, 0, 0, 1, 0); }, "[slice] step is 0, it must be at least 1"},
          {[] { select(kRows, 1, 3); }, "[select] index 3 is outside the 3 of dimension 1"},
          {[] { concat({}, 0); }, "[concat] there is nothing to concatenate"},
          {[] { concat({kRows, kLine}, 0); }, "[concat] parts [2, 3] and [3] differ in rank"},
          {[] { concat({kRows, ones({2, 4})}, 0); }, "[concat] parts [2, 3] and [2, 4] differ outside dimension 0"},
          {[] { stack({}, 0); }, "[stack] there is nothing to stack"}});
}

TEST(OpRefusals, PaddingAndPlaces) {
  expect(
      {{[] { pad(kRows, {1}, {1}); }, "[pad] 1 and 1 numbers are given, the tensor has 2 dimensions"},
       {[] { pad(kRows, {-1, 0}, {-2, 0}); }, "[pad] padding -1 and -2 leaves nothing of dimension 0 of [2, 3]"},
       {[] { pad(kRows, {0, 3}, {0, 0}, PadMode::reflect); }, "[pad] reflect padding 3 must be less than the size 3"},
       {[] { pad(kRows, {0, 4}, {0, 0}, PadMode::circular); }, "[pad] circular padding 4 must not exceed the size 3"},
       {[] { pad(ones({0}), {1}, {0}, PadMode::replicate); }, "[pad] dimension 0 of [0] is empty"},
       {[] { pixel_shuffle(ones({1, 3, 2, 2}), 2); }, "[pixel_shuffle] x must be [N,C*2*2,H,W], it is [1, 3, 2, 2]"},
       {[] { pixel_unshuffle(ones({1, 3, 3, 2}), 2); },
        "[pixel_unshuffle] x must be [N,C,H*2,W*2], it is [1, 3, 3, 2]"},
       {[] { channel_shuffle(kImage, 3); },
        "[channel_shuffle] the channels of [2, 4, 5, 6] do not divide into 3 groups"},
       {[] { gather(kRows, 0, kRows); }, "[gather] the index must be i64, it is f32"},
       {[] { gather(kLine, 0, kIndex); }, "[gather] the index [2, 3] and the tensor [3] differ in rank"},
       {[] { gather(ones({1, 2}), 0, kIndex); }, "[gather] the index [2, 3] is larger than the tensor [1, 2]"},
       {[] { index_select(kRows, 0, kIndex); }, "[index_select] the index must have one dimension, it is [2, 3]"},
       {[] { one_hot(kLine, 3); }, "[one_hot] the index must be i64, it is f32"}});
}

/// Of kImage.
void depthwise_pointwise(const Tensor& weight, const Tensor& pointwise, const Tensor& residual, int64_t groups) {
  DepthwisePointwiseAttrs attrs;
  attrs.groups = groups;
  apply(kConv2dDepthwisePointwise, {kImage, weight, {}, pointwise, {}, residual}, attrs);
}

/// Two of kImage.
void siblings(const Tensor& first, const Tensor& second, const ConvSiblingsAttrs& attrs, const Tensor& residual = {}) {
  apply_all(kConv2dSiblings, {kImage, first, {}, {}, second, {}, residual}, attrs);
}
ConvSiblingsAttrs siblings_of(int64_t groups, std::vector<Activation> activations, std::vector<double> alphas) {
  ConvSiblingsAttrs attrs;
  attrs.groups = groups, attrs.activations = std::move(activations), attrs.alphas = std::move(alphas);
  return attrs;
}

TEST(OpRefusals, Products) {
  expect({{[] { matmul(kRows, kRows); }, "[matmul] [2, 3] times [2, 3]: the inner sizes differ"},
          {[] { matmul(scalar(1), kRows); }, "[matmul] scalars cannot be multiplied as matrices"},
          {[] { linear(kRows, ones({5, 4})); }, "[linear] weight [5, 4] needs 4 input features, x is [2, 3]"},
          {[] { linear(kRows, ones({5, 3}), ones({4})); }, "[linear] bias [4] must be [5]"},
          {[] { conv2d(kSignal, ones({3, 4, 1, 1})); }, "[conv2d] x [N,C,H,W] must have 4 dimensions, it is [2, 4, 5]"},
          {[] { conv2d(kImage, ones({3, 4, 7, 1})); },
           "[conv2d] a kernel of 7 with dilation 1 does not fit the input of 5 with padding 0"},
          {[] { conv2d(kImage, ones({3, 4, 1, 1}), {}, {.padding = {0, -1, 0, 0}}); },
           "[conv2d] padding must not be negative"},
          {[] { conv2d(kImage, ones({3, 4, 1, 1}), {}, {.stride = 0}); }, "[conv2d] stride 0x0 must be at least 1"},
          {[] { conv2d(kImage, ones({3, 2, 1, 1}), {}, {.groups = 2}); },
           "[conv2d] 3 output channels do not divide into 2 groups"},
          {[] { conv2d_fused(kImage, ones({3, 4, 1, 1}), {}, kImage, {}, Activation::relu); },
           "[conv2d_fused] the residual [2, 4, 5, 6] must be [2, 3, 5, 6]"},
          {[] { depthwise_pointwise(ones({4, 2, 1, 1}), ones({3, 4, 1, 1}), {}, 2); },
           "[conv2d_depthwise_pointwise] weight [4, 2, 1, 1] is not depthwise with 2 groups"},
          {[] { depthwise_pointwise(ones({8, 1, 1, 1}), ones({3, 8, 1, 1}), {}, 4); },
           "[conv2d_depthwise_pointwise] weight [8, 1, 1, 1] is not depthwise with 4 groups"},
          {[] { depthwise_pointwise(ones({4, 1, 1, 1}), ones({3, 4, 1, 2}), {}, 4); },
           "[conv2d_depthwise_pointwise] the pointwise weight [3, 4, 1, 2] is not 1x1"},
          {[] { depthwise_pointwise(ones({4, 1, 1, 1}), ones({3, 5, 1, 1}), {}, 4); },
           "[conv2d_depthwise_pointwise] weight [3, 5, 1, 1] needs 5 input channels, x is [2, 4, 5, 6]"},
          {[] { depthwise_pointwise(ones({4, 1, 1, 1}), ones({3, 4, 1, 1}), kImage, 4); },
           "[conv2d_depthwise_pointwise] the residual [2, 4, 5, 6] must be [2, 3, 5, 6]"},
          {[] { siblings(ones({3, 4, 1, 1}), ones({3, 4, 3, 1}), {}); },
           "[conv2d_siblings] the weights [3, 4, 1, 1] and [3, 4, 3, 1] have kernels of two sizes"},
          {[] { siblings(ones({4, 2, 1, 1}), ones({4, 2, 1, 1}), siblings_of(2, {}, {})); },
           "[conv2d_siblings] siblings have one group, not 2"},
          {[] { siblings(ones({3, 4, 1, 1}), ones({3, 4, 1, 1}), siblings_of(1, {Activation::relu}, {})); },
           "[conv2d_siblings] there are 1 activations of 2 siblings"},
          {[] { siblings(ones({3, 4, 1, 1}), ones({3, 4, 1, 1}), siblings_of(1, {}, {1, 2, 3})); },
           "[conv2d_siblings] there are 3 alphas of 2 siblings"},
          {[] { siblings(ones({3, 4, 1, 1}), ones({3, 5, 1, 1}), {}); },
           "[conv2d_siblings] weight [3, 5, 1, 1] needs 5 input channels, x is [2, 4, 5, 6]"},
          {[] { siblings(ones({3, 4, 1, 1}), ones({3, 4, 1, 1}), {}, kImage); },
           "[conv2d_siblings] the residual [2, 4, 5, 6] must be [2, 3, 5, 6]"},
          {[] { conv1d(kImage, kSignal); },
           "[conv1d] x must be [N,C,L] and weight [O,C/groups,K], they are [2, 4, 5, 6] and [2, 4, 5]"},
          {[] { conv3d(kImage, kVolume); },
           "[conv3d] x must be [N,C,D,H,W] and weight [O,C/groups,KD,KH,KW], they are [2, 4, 5, 6] and [1, 2, 3, 4, "
           "5]"},
          {[] { conv3d(kVolume, ones({1, 2, 4, 1, 1})); },
           "[conv3d] a kernel of 4 with dilation 1 does not fit the depth 3 with padding 0"},
          {[] { conv3d(kVolume, ones({1, 2, 1, 1, 1}), {}, {.stride = {0, 1, 1}}); },
           "[conv3d] stride, dilation or padding is too small"}});
}

TEST(OpRefusals, TransposedConvolutions) {
  const auto transposed = [](const ConvTranspose2dOptions& options) {
    return error_of([&] { conv_transpose2d(kImage, ones({4, 3, 1, 1}), {}, options); });
  };
  EXPECT_EQ(transposed({.output_padding = 1}),
            "[conv_transpose2d] output_padding 1 must be smaller than the stride 1 or the dilation 1");
  EXPECT_EQ(transposed({.padding = 3}), "[conv_transpose2d] an input side of 5 would give -1");
  EXPECT_EQ(transposed({.padding = {0, 0, -1, 0}}), "[conv_transpose2d] padding must not be negative");
  EXPECT_EQ(transposed({.padding = {-1, 0, 0, 0}}), "[conv_transpose2d] padding must not be negative");
  EXPECT_EQ(transposed({.stride = 0}), "[conv_transpose2d] stride and groups must be at least 1");
  EXPECT_EQ(
      error_of([] { conv_transpose2d(kSignal, kImage); }),
      "[conv_transpose2d] x must be [N,C,H,W] and weight [C,O/groups,KH,KW], they are [2, 4, 5] and [2, 4, 5, 6]");
}

TEST(OpRefusals, Normalisation) {
  expect(
      {{[] { batch_norm_train(kLine, {}, {}); }, "[batch_norm_train] x must be [N,C,...], it is [3]"},
       {[] { batch_norm_train(kRows, kLine, {}); }, "[batch_norm_train] gamma and beta come together"},
       {[] { batch_norm_train(kRows, ones({2}), ones({2})); },
        "[batch_norm_train] statistics and parameters must be [3], one is [2]"},
       {[] { batch_norm_train(ones({1, 3}), {}, {}); },
        "[batch_norm_train] training needs more than one value a channel, x is [1, 3]"},
       {[] { batch_norm_train_fused(kRows, {}, {}, kLine, true); },
        "[batch_norm_train_fused] the residual [3] must be [2, 3]"},
       {[] { layer_norm(kRows, {2}); }, "[layer_norm] x is [2, 3], its last sizes must be [2]"},
       {[] { layer_norm(kRows, {3}, ones({2})); }, "[layer_norm] gamma and beta must be [3], one is [2]"},
       {[] { layer_norm(kRows, {3}, {}, kLine); }, "[layer_norm] beta needs gamma"},
       {[] { layer_norm(ones({2, 0}), {0}); }, "[layer_norm] x must be [..., n] with n above 0, it is [2, 0]"},
       {[] { group_norm(kLine, 1); }, "[group_norm] x must be [N,C,...], it is [3]"},
       {[] { group_norm(kImage, 3); }, "[group_norm] 4 channels do not divide into 3 groups"},
       {[] { instance_norm(kRows); },
        "[instance_norm] x must be [N,C,...] with at least one more dimension, it is [2, 3]"},
       {[] { instance_norm(ones({2, 3, 1})); }, "[instance_norm] needs more than one value a channel, x is [2, 3, 1]"},
       {[] { dropout(kRows, 1.5, RandomKey{1}); }, "[dropout] p is 1.5, it must be between 0 and 1"}});
}

TEST(OpRefusals, Pools) {
  expect(
      {{[] { max_pool2d(kSignal, {}); }, "[max_pool2d] x [N,C,H,W] must have 4 dimensions, it is [2, 4, 5]"},
       {[] { max_pool2d(kImage, {.kernel = 6}); },
        "[max_pool2d] a window of 6 with dilation 1 does not fit the input of 5 with padding 0"},
       {[] { max_pool2d(kImage, {.kernel = 0}); }, "[max_pool2d] kernel, stride and dilation must be at least 1"},
       {[] { max_pool2d(kImage, {.kernel = 2, .padding = 2}); },
        "[max_pool2d] padding must be between 0 and half of the kernel 2x2"},
       {[] { avg_pool2d(kImage, {.dilation = 2}); }, "[avg_pool2d] dilation is for max_pool2d only"},
       {[] { adaptive_avg_pool2d(kImage, 0); }, "[adaptive_avg_pool2d] the output 0x0 must be at least 1x1"},
       {[] { adaptive_avg_pool2d(ones({1, 1, 0, 1}), 1); },
        "[adaptive_avg_pool2d] the planes of [1, 1, 0, 1] are empty"},
       {[] { adaptive_max_pool2d(ones({1, 1, 0, 1}), 1); }, "[adaptive_max_pool] the planes of [1, 1, 0, 1] are empty"},
       {[] { adaptive_max_pool2d(kImage, 0); }, "[adaptive_max_pool] the output size 0 must be at least 1"},
       {[] { max_pool1d(kImage, {}); }, "[max_pool1d] x must be [N,C,L], it is [2, 4, 5, 6]"},
       {[] { avg_pool3d(kImage, {}); }, "[avg_pool3d] x must be [N,C,D,H,W], it is [2, 4, 5, 6]"},
       {[] { lp_pool2d(kImage, 0, {}); }, "[lp_pool] norm_type 0 must be positive"}});
}

TEST(OpRefusals, Interpolation) {
  const auto refused = [](const Tensor& x, const InterpolateOptions& options) {
    return error_of([&] { interpolate(x, options); });
  };
  EXPECT_EQ(refused(kRows, {.size = {4}}), "[interpolate] x must be [N,C,d...] with one to three sides, it is [2, 3]");
  EXPECT_EQ(refused(kImage, {}), "[interpolate] give size or scale_factor, one of them");
  EXPECT_EQ(refused(kImage, {.size = {4}, .scale_factor = {2}}),
            "[interpolate] give size or scale_factor, one of them");
  EXPECT_EQ(refused(kImage, {.size = {4, 4, 4}}), "[interpolate] size or scale_factor needs 1 or 2 values");
  EXPECT_EQ(refused(kImage, {.size = {4}, .align_corners = true}),
            "[interpolate] align_corners is for linear and cubic");
  EXPECT_EQ(refused(kSignal, {.mode = Interpolation::cubic, .size = {4}}),
            "[interpolate] cubic is for two sides, x is [2, 4, 5]");
  EXPECT_EQ(refused(kImage, {.scale_factor = {0.1}}), "[interpolate] a side of 5 would become 0");
}

}  // namespace
}  // namespace ingot
