#include "kernels/conv_depthwise_pointwise.h"

#include <gtest/gtest.h>

#include "cases.h"
#include "kernels/conv_cases.h"
#include "kernels/conv_depthwise.h"
#include "kernels/conv_gemm.h"

namespace ingot::kernels {
namespace {

/// A depthwise convolution, the 1x1 convolution of its result to `outputs` channels, and their operands.
struct Case {
  Case(Shape shape, int64_t outputs, Activation first_activation, Activation second_activation, Layout layout)
      : first(channelwise(shape), first_activation, layout, Layout::row_major, Layout::channels_last),
        second({shape.batch, shape.in, first.sizes.y[2], first.sizes.y[3], outputs, {1, 1}, {}}, second_activation,
               Layout::channels_last, Layout::row_major, layout),
        args{first.args, second.args} {
    args.depthwise.residual = {};
    args.pointwise.x = args.depthwise.y;
  }
  static Shape channelwise(Shape shape) {
    shape.out = shape.geometry.groups = shape.in;
    return shape;
  }

  /// The two one after the other.
  void run_apart() {
    GuardedScratch scratch(std::max(conv_depthwise_scratch(args.depthwise), conv_gemm_scratch(args.pointwise)));
    conv_depthwise(args.depthwise, packed_first(), scratch.data());
    conv_gemm(args.pointwise, packed_second(), scratch.data());
  }
  /// Fused, the array between them being none.
  void run_fused() {
    DepthwisePointwiseArgs fused = args;
    fused.depthwise.y.data = fused.pointwise.x.data = this;  // present, but not to be touched
    ASSERT_TRUE(conv_depthwise_pointwise_supports(fused));
    GuardedScratch scratch(conv_depthwise_pointwise_scratch(fused));
    conv_depthwise_pointwise(fused, packed_first(), packed_second(), scratch.data());
    EXPECT_TRUE(scratch.guard_holds());
    EXPECT_TRUE(second.y.guards_hold());
  }

  ForwardCase first, second;
  DepthwisePointwiseArgs args;

 private:
  void* packed_first() {
    depthwise_ = std::make_unique<GuardedScratch>(conv_depthwise_packed_bytes(args.depthwise));
    conv_depthwise_pack(args.depthwise, depthwise_->data());
    return depthwise_->data();
  }
  void* packed_second() {
    pointwise_ = std::make_unique<GuardedScratch>(conv_gemm_packed_bytes(args.pointwise));
    conv_gemm_pack(args.pointwise, pointwise_->data());
    return pointwise_->data();
  }
  std::unique_ptr<GuardedScratch> depthwise_, pointwise_;
};

void expect_the_same_bits(const Shape& shape, int64_t outputs, Activation first, Activation second, Layout layout) {
  Case c(shape, outputs, first, second, layout);
  c.run_apart();
  const std::vector<double> expected = c.second.y.values();
  c.second.y.fill([] { return 0.0; });
  c.run_fused();
  EXPECT_EQ(c.second.y.values(), expected);
}

TEST(ConvDepthwisePointwise, HasTheBitsOfTheTwo) {
  for (const Layout layout : {Layout::channels_last, Layout::channel_slice})
    for (const Shape& shape : {Shape{2, 32, 13, 14, 32, {3, 3}, {.padding = 1}},
                               Shape{1, 21, 15, 14, 21, {5, 5}, {.stride = 2, .padding = 2}},
                               Shape{3, 300, 7, 7, 300, {3, 3}, {.padding = 1}},
                               Shape{1, 16, 40, 37, 16, {3, 3}, {.dilation = 2, .padding = 2}},
                               Shape{1, 40, 1, 1, 40, {3, 3}, {.padding = 1}}}) {
      SCOPED_TRACE(testing::Message() << shape << " " << name_of(layout));
      expect_the_same_bits(shape, 24, Activation::relu6, Activation::none, layout);
      expect_the_same_bits(shape, 7, Activation::silu, Activation::hardswish, layout);
    }
}

TEST(ConvDepthwisePointwise, RandomShapes) {
  std::mt19937 random(7);
  for (int i = 0; i < test::cases(150); ++i) {
    Shape shape = random_shape(random);
    shape.in = 1 + static_cast<int64_t>(random() % 70);
    SCOPED_TRACE(testing::Message() << "seed 7, case " << i << ": " << shape);
    expect_the_same_bits(shape, 1 + static_cast<int64_t>(random() % 40), Activation::relu, Activation::none,
                         random() % 2 == 0 ? Layout::channels_last : Layout::channel_slice);
    if (HasFailure()) return;
  }
}

TEST(ConvDepthwisePointwise, EmptyBatchIsNoWork) {
  expect_the_same_bits({0, 6, 7, 7, 6, {3, 3}, {.padding = 1}}, 4, Activation::none, Activation::none,
                       Layout::channels_last);
}

TEST(ConvDepthwisePointwise, Supports) {
  const Case c({1, 8, 9, 9, 8, {3, 3}, {.padding = 1}}, 6, Activation::none, Activation::none, Layout::channels_last);
  EXPECT_TRUE(conv_depthwise_pointwise_supports(c.args));
  DepthwisePointwiseArgs other = c.args;
  other.depthwise.residual = c.first.residual;
  EXPECT_FALSE(conv_depthwise_pointwise_supports(other)) << "a residual before the 1x1";
  other = c.args;
  other.pointwise.geometry.padding = 1;
  EXPECT_FALSE(conv_depthwise_pointwise_supports(other)) << "padding of the 1x1";
  other = c.args;
  other.pointwise.geometry.stride = 2;
  EXPECT_FALSE(conv_depthwise_pointwise_supports(other)) << "stride of the 1x1";
}

}  // namespace
}  // namespace ingot::kernels
