#include "kernels/conv.h"

#include <gmock/gmock.h>

#include <numeric>

#include "base/math.h"
#include "kernels/conv_cases.h"

namespace ingot::kernels {
namespace {

using testing::StartsWith;

// The plain kernel against the definition of convolution, at sizes where it can be written down.
TEST(ConvReference, IsTheDefinition) {
  const Box x = std::move(Box(DType::f64, {1, 2, 2, 2}).assign({1, 2, 3, 4, 5, 6, 7, 8}));
  const Box weight = std::move(Box(DType::f64, {1, 2, 2, 1}).assign({1, 10, 100, 1000}));
  const Box bias = std::move(Box(DType::f64, {1}).assign({0.5}));
  const Box y(DType::f64, {1, 1, 3, 2});
  const ConvGeometry geometry{.padding = {1, 0, 1, 0}};
  conv2d_reference({.x = x, .weight = weight, .bias = bias, .geometry = geometry, .y = y});
  EXPECT_EQ(y.values(), (std::vector<double>{10 + 5000 + .5, 20 + 6000 + .5, 1 + 30 + 500 + 7000 + .5,
                                             2 + 40 + 600 + 8000 + .5, 3 + 700 + .5, 4 + 800 + .5}));
}

// <g, conv(x, w)> = <grad_input(g, w), x> = <grad_weight(x, g), w>: the plain gradients are the forward's adjoints.
TEST(ConvReference, GradientsAreAdjoint) {
  const auto dot = [](const Box& a, const Box& b) {
    const auto p = a.values(), q = b.values();
    return std::inner_product(p.begin(), p.end(), q.begin(), 0.0);
  };
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(testing::Message() << shape);
    const Sizes sizes(shape);
    const Box x = std::move(Box(DType::f64, sizes.x).randomize(1));
    const Box weight = std::move(Box(DType::f64, sizes.weight).randomize(2));
    const Box g = std::move(Box(DType::f64, sizes.y).randomize(3));
    const Box y(DType::f64, sizes.y), dx(DType::f64, sizes.x), dw(DType::f64, sizes.weight);
    conv2d_reference({.x = x, .weight = weight, .geometry = shape.geometry, .y = y});
    conv2d_grad_input_reference(g, weight, shape.geometry, dx);
    conv2d_grad_weight_reference(x, g, shape.geometry, dw);
    const double forward = dot(g, y), bound = 1e-10 * (1 + static_cast<double>(y.values().size()));
    EXPECT_NEAR(forward, dot(dx, x), bound);
    EXPECT_NEAR(forward, dot(dw, weight), bound);
  }
}

/// What conv2d and its two gradients run on, as they choose.
struct Choice {
  std::string forward, input, weight;
};
Choice choice_of(const Shape& shape, DType dtype = DType::f32) {
  const Sizes sizes(shape);
  const Box x(dtype, sizes.x, Layout::channels_last), y(dtype, sizes.y, Layout::channels_last);
  const Box weight(dtype, sizes.weight, Layout::channels_last);
  return {conv2d_implementation({.x = x, .weight = weight, .geometry = shape.geometry, .y = y}),
          conv2d_grad_input_implementation(y, weight, shape.geometry, x),
          conv2d_grad_weight_implementation(x, y, shape.geometry, weight)};
}

constexpr int64_t kMany = 40;  // channels that our kernels want
const Shape kChosen[] = {
    {2, kMany, 13, 14, kMany + 3, {3, 3}, {.padding = 1}},
    {2, kMany, 2, 2, kMany, {3, 3}, {.padding = 1}},
    {2, kMany, 13, 14, kMany, {3, 3}, {.stride = 2, .padding = 1}},
    {2, kMany, 7, 9, kMany, {1, 1}, {}},
    {2, kMany, 7, 9, kMany, {1, 1}, {.stride = 2}},
    {2, 3, 13, 14, kMany, {3, 3}, {.padding = 1}},
    {2, kMany, 13, 14, kMany, {3, 3}, {.padding = 1, .groups = 4}},
    {0, kMany, 13, 14, kMany, {3, 3}, {.padding = 1}},
    {2, kMany, 13, 14, kMany, {3, 3}, {.stride = 2, .padding = 1, .groups = kMany}},
    {0, kMany, 13, 14, kMany, {3, 3}, {.padding = 1, .groups = kMany}},
    {2, 1, 13, 14, 1, {3, 3}, {.padding = 1}},
    {2, kMany, 56, 55, kMany, {3, 3}, {.stride = 2, .padding = 1}},
};

TEST(Conv2d, ChoosesByShapeAndMath) {
  const Choice fast = choice_of(kChosen[0]);
  EXPECT_EQ(fast.forward, "winograd4");
  EXPECT_EQ(fast.input, "winograd4");
  EXPECT_EQ(fast.weight, "winograd4");
  EXPECT_EQ(choice_of(kChosen[1]).forward, "winograd2");
  {
    const StrictMath strict;
    const Choice choice = choice_of(kChosen[0]);
    EXPECT_EQ(choice.forward, "gemm");
    EXPECT_EQ(choice.input, "gemm");
    EXPECT_EQ(choice.weight, "gemm");
  }
  EXPECT_EQ(choice_of(kChosen[11]).forward, "winograd4");
  const Choice strided = choice_of(kChosen[2]), pointwise = choice_of(kChosen[3]);
  EXPECT_EQ(strided.forward, "gemm");
  EXPECT_EQ(strided.input, "gemm");
  EXPECT_EQ(strided.weight, "gemm");
  EXPECT_THAT(pointwise.forward, StartsWith("onednn: "));
  EXPECT_EQ(pointwise.weight, "gemm");
  EXPECT_THAT(choice_of(kChosen[5]).forward, StartsWith("onednn: "));
  EXPECT_THAT(choice_of(kChosen[6]).weight, StartsWith("onednn: "));
  const Choice depthwise = choice_of(kChosen[8]);
  EXPECT_EQ(depthwise.forward, "depthwise");
  EXPECT_EQ(depthwise.input, "depthwise");
  EXPECT_EQ(depthwise.weight, "depthwise");
  EXPECT_THAT(choice_of(kChosen[0], DType::bf16).forward, StartsWith("onednn: "));
  EXPECT_EQ(choice_of(kChosen[0], DType::f64).forward, "plain");
}

TEST(Conv2d, WhatItChoosesMatchesThePlainKernels) {
  for (const Shape& shape : kChosen)
    for (const DType dtype : {DType::f32, DType::bf16, DType::f64})
      for (const Layout layout : {Layout::channels_last, Layout::row_major, Layout::channel_slice}) {
        SCOPED_TRACE(testing::Message() << shape << " " << name_of(dtype) << " " << name_of(layout));
        const Sizes sizes(shape);
        const Box x = std::move(Box(dtype, sizes.x, layout).randomize(1));
        const Box weight = std::move(Box(dtype, sizes.weight, layout).randomize(2));
        const Box g = std::move(Box(dtype, sizes.y, layout).randomize(3));
        const Box y(dtype, sizes.y, layout), y_expected(dtype, sizes.y);
        ConvArgs args{.x = x, .weight = weight, .geometry = shape.geometry, .y = y};
        GuardedScratch scratch(conv2d_scratch(args));
        conv2d(args, scratch.data());
        args.y = y_expected;
        conv2d_reference(args);
        expect_close(y, y_expected, 8 * sizes.forward_terms());

        const GradientCase c(shape, dtype, layout, layout);
        c.check_input(8, conv2d_grad_input_scratch, conv2d_grad_input);
        c.check_weight(8, conv2d_grad_weight_scratch, conv2d_grad_weight);
        EXPECT_TRUE(scratch.guard_holds());
      }
}

}  // namespace
}  // namespace ingot::kernels
