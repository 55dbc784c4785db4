#include "kernels/conv_depthwise.h"

#include <gmock/gmock.h>

#include "cases.h"
#include "error_of.h"
#include "kernels/conv_cases.h"
#include "kernels/depthwise_kernels.h"

namespace ingot::kernels {
namespace {

using testing::HasSubstr;

/// Packs, with guard bytes around the packed weights and the scratch, and runs.
void run(const ConvArgs& args) {
  ASSERT_TRUE(conv_depthwise_supports(args));
  GuardedScratch packed(conv_depthwise_packed_bytes(args));
  GuardedScratch scratch(conv_depthwise_scratch(args));
  conv_depthwise_pack(args, packed.data());
  conv_depthwise(args, packed.data(), scratch.data());
  EXPECT_TRUE(packed.guard_holds());
  EXPECT_TRUE(scratch.guard_holds());
}

Shape depthwise(int64_t batch, int64_t channels, int64_t height, int64_t width, Pair kernel, ConvGeometry geometry) {
  geometry.groups = channels;
  return {batch, channels, height, width, channels, kernel, geometry};
}

const Shape kDepthwise[] = {
    depthwise(2, 32, 13, 14, {3, 3}, {.padding = 1}),
    depthwise(1, 16, 14, 17, {3, 3}, {.stride = 2, .padding = {0, 0, 1, 1}}),
    depthwise(1, 21, 14, 14, {5, 5}, {.stride = 2, .padding = 2}),
    depthwise(3, 40, 7, 7, {5, 5}, {.padding = 2}),
    depthwise(2, 9, 17, 9, {7, 7}, {.padding = 3}),
    depthwise(1, 300, 5, 5, {3, 3}, {.padding = 1}),
    depthwise(1, 16, 17, 17, {3, 3}, {.dilation = 2, .padding = 2}),
    depthwise(2, 17, 3, 2, {3, 5}, {.dilation = {1, 3}, .padding = {3, 7, 0, 6}}),
    depthwise(1, 3, 2, 3, {3, 3}, {.padding = 6}),
    depthwise(2, 5, 2, 3, {5, 3}, {.stride = {1, 2}, .padding = {7, 1, 2, 5}}),
    depthwise(1, 7, 9, 8, {2, 4}, {.stride = {2, 3}, .padding = {1, 0, 0, 2}}),
    depthwise(2, 33, 1, 1, {3, 3}, {.padding = 1}),
    depthwise(1, 4, 1, 29, {1, 5}, {.padding = {0, 2, 0, 2}}),
    depthwise(2, 24, 6, 5, {1, 1}, {.stride = 2}),
    depthwise(1, 1, 9, 9, {3, 3}, {}),
};

Shape random_depthwise(std::mt19937& random) {
  Shape s = random_shape(random);
  s.in = s.out = s.geometry.groups = 1 + static_cast<int64_t>(random() % 70);
  return s;
}

void check(const Shape& shape, Activation activation, Layout x_layout, Layout weight_layout, Layout y_layout) {
  const ForwardCase c(shape, activation, x_layout, weight_layout, y_layout);
  run(c.args);
  c.expect_plain(1);
}

TEST(ConvDepthwise, MatchesThePlainKernel) {
  for (const Shape& shape : kDepthwise)
    for (const Layout layout : {Layout::channels_last, Layout::channel_slice}) {
      SCOPED_TRACE(testing::Message() << shape << " " << name_of(layout));
      check(shape, Activation::relu, layout, Layout::row_major, layout);
    }
}

TEST(ConvDepthwise, EveryActivation) {
  for (const Activation activation : kActivations)
    for (const Shape& shape : {kDepthwise[0], kDepthwise[2], kDepthwise[7]}) {
      SCOPED_TRACE(testing::Message() << static_cast<int>(activation) << " " << shape);
      check(shape, activation, Layout::channels_last, Layout::channels_last, Layout::channel_slice);
    }
}

// Every number of results that a tile has, with and without a part of a vector.
TEST(ConvDepthwise, EveryWidth) {
  for (const Pair kernel : {Pair(3), Pair(5), Pair(7), Pair(2, 4)})
    for (int64_t width = 1; width <= 20; ++width) {
      const Shape shape = depthwise(1, 23, 3, width, kernel, {.padding = kernel.h / 2 + kernel.w / 4});
      SCOPED_TRACE(testing::Message() << shape);
      check(shape, Activation::none, Layout::channels_last, Layout::row_major, Layout::channels_last);
    }
}

TEST(ConvDepthwise, RandomShapes) {
  std::mt19937 random(4);
  constexpr Layout kLayouts[] = {Layout::channels_last, Layout::channel_slice};
  const auto layout = [&] { return kLayouts[random() % std::size(kLayouts)]; };
  for (int i = 0; i < test::cases(300); ++i) {
    const Shape shape = random_depthwise(random);
    SCOPED_TRACE(testing::Message() << "seed 4, case " << i << ": " << shape);
    check(shape, Activation::none, layout(), Layout::transposed, layout());
    if (HasFailure()) return;
  }
}

TEST(ConvDepthwise, TheResidualMayBeTheResult) {
  const ForwardCase c(kDepthwise[0], Activation::relu6, Layout::channels_last, Layout::row_major,
                      Layout::channels_last);
  run(c.args);
  const std::vector<double> expected = c.y.values();
  Box y(DType::f32, c.sizes.y, Layout::channels_last);
  y.assign(c.residual.values());
  ConvArgs in_place = c.args;
  in_place.y = in_place.residual = y;
  run(in_place);
  EXPECT_EQ(y.values(), expected);
}

TEST(ConvDepthwise, BitsDependOnTheImageAlone) {
  for (const Shape& shape :
       {depthwise(5, 24, 13, 14, {3, 3}, {.padding = 1}), depthwise(5, 600, 7, 7, {5, 5}, {.stride = 2, .padding = 2}),
        depthwise(5, 33, 29, 31, {4, 4}, {.dilation = 2, .padding = 3})}) {
    SCOPED_TRACE(testing::Message() << shape);
    expect_bits_of_the_image_alone(shape, run);
  }
}

TEST(ConvDepthwise, KeepsNaN) {
  const Shape shape = depthwise(1, 19, 5, 5, {3, 3}, {.padding = 1});
  const Sizes sizes(shape);
  for (const Activation activation : {Activation::none, Activation::relu, Activation::relu6}) {
    Box x = std::move(Box(DType::f32, sizes.x, Layout::channels_last).randomize(1));
    x.array().as<float>()[0] = std::numeric_limits<float>::quiet_NaN();  // channel 0 of the first pixel
    const Box weight = std::move(Box(DType::f32, sizes.weight).randomize(2));
    const Box y(DType::f32, sizes.y, Layout::channels_last);
    run({.x = x, .weight = weight, .geometry = shape.geometry, .activation = activation, .y = y});
    for (int64_t i = 0; i < y.array().numel(); ++i) {
      const int64_t pixel = i / 19;
      EXPECT_EQ(std::isnan(y.array().as<float>()[i]), i % 19 == 0 && pixel % 5 < 2 && pixel / 5 < 2) << i;
    }
  }
}

TEST(ConvDepthwise, PackedWeightsComeBack) {
  for (const Shape& shape : kDepthwise) {
    SCOPED_TRACE(testing::Message() << shape);
    const Sizes sizes(shape);
    const Box x(DType::f32, sizes.x, Layout::channels_last), y(DType::f32, sizes.y, Layout::channels_last);
    const Box weight = std::move(Box(DType::f32, sizes.weight, Layout::transposed).randomize(2));
    const ConvArgs args{.x = x, .weight = weight, .geometry = shape.geometry, .y = y};
    GuardedScratch packed(conv_depthwise_packed_bytes(args));
    conv_depthwise_pack(args, packed.data());
    const std::span bytes(static_cast<const std::byte*>(packed.data()), conv_depthwise_packed_bytes(args));
    check_conv_depthwise_packed(weight, shape.geometry.groups, bytes, conv_depthwise_packed_format());
    const Box back(DType::f32, sizes.weight);
    conv_depthwise_unpack(packed.data(), back);
    EXPECT_EQ(back.values(), weight.values());
    EXPECT_TRUE(back.guards_hold());
  }
}

TEST(ConvDepthwise, RefusesForeignPackedWeights) {
  const Sizes sizes(kDepthwise[0]);
  const Box x(DType::f32, sizes.x, Layout::channels_last), y(DType::f32, sizes.y, Layout::channels_last);
  const Box weight(DType::f32, sizes.weight);
  const ConvArgs args{.x = x, .weight = weight, .geometry = kDepthwise[0].geometry, .y = y};
  std::vector<std::byte> packed(conv_depthwise_packed_bytes(args));
  conv_depthwise_pack(args, packed.data());
  const std::string form = conv_depthwise_packed_format();
  const auto check = [&](std::span<const std::byte> bytes, std::string_view name, int64_t groups = 32) {
    return error_of([&] { check_conv_depthwise_packed(weight, groups, bytes, name); });
  };
  EXPECT_EQ(check(packed, form), "");
  EXPECT_THAT(check(packed, form, 16), HasSubstr("one plane a channel"));
  EXPECT_THAT(check(packed, "gemm:f32:16"), HasSubstr("not 'gemm:f32:16'"));
  EXPECT_THAT(check(std::span(packed).first(63), form), HasSubstr("no header"));
  EXPECT_THAT(check(std::span(packed).first(packed.size() - 4), form), HasSubstr("takes"));
  packed[12] = std::byte{8};  // the width
  EXPECT_THAT(check(packed, "depthwise:f32:8"), HasSubstr("in strips of 8"));
}

TEST(ConvDepthwise, SupportsOnePlaneAChannel) {
  for (const Shape& shape : kShapes) {
    const ForwardCase c(shape, Activation::none, Layout::channels_last, Layout::row_major, Layout::channels_last);
    EXPECT_EQ(conv_depthwise_supports(c.args), shape.geometry.groups == shape.in && shape.in == shape.out) << shape;
  }
  const ForwardCase c(kDepthwise[0], Activation::none, Layout::row_major, Layout::row_major, Layout::channels_last);
  EXPECT_FALSE(conv_depthwise_supports(c.args)) << "row-major x";
}

TEST(ConvDepthwise, EmptyBatchIsNoWork) {
  const Shape shape = depthwise(0, 6, 7, 7, {3, 3}, {.padding = 1});
  const Sizes sizes(shape);
  const Box x(DType::f32, sizes.x, Layout::channels_last), y(DType::f32, sizes.y, Layout::channels_last);
  const Box weight = std::move(Box(DType::f32, sizes.weight).randomize(2));
  run({.x = x, .weight = weight, .geometry = shape.geometry, .y = y});
}

/// Both gradients, beside the plain kernels', with guard bytes around results and scratch.
void check_gradients(const Shape& shape, Layout layout, Layout weight_layout) {
  const Sizes sizes(shape);
  const ConvGeometry& geometry = shape.geometry;
  const Box x = std::move(Box(DType::f32, sizes.x, layout).randomize(1));
  const Box weight = std::move(Box(DType::f32, sizes.weight, weight_layout).randomize(2));
  const Box g = std::move(Box(DType::f32, sizes.y, layout).randomize(3));
  if (conv_depthwise_grad_input_supports(g, weight, geometry, x)) {
    const Box dx(DType::f32, sizes.x, layout), expected(DType::f32, sizes.x);
    GuardedScratch scratch(conv_depthwise_grad_input_scratch(g, weight, geometry, dx));
    conv_depthwise_grad_input(g, weight, geometry, dx, scratch.data());
    EXPECT_TRUE(scratch.guard_holds());
    conv2d_grad_input_reference(g, weight, geometry, expected);
    expect_close(dx, expected, sizes.input_terms(shape));
  }
  if (conv_depthwise_grad_weight_supports(x, g, geometry, weight)) {
    const Box dweight(DType::f32, sizes.weight, weight_layout), expected(DType::f32, sizes.weight);
    GuardedScratch scratch(conv_depthwise_grad_weight_scratch(x, g, geometry, dweight));
    conv_depthwise_grad_weight(x, g, geometry, dweight, scratch.data());
    EXPECT_TRUE(scratch.guard_holds());
    conv2d_grad_weight_reference(x, g, geometry, expected);
    expect_close(dweight, expected, sizes.weight_terms());
  }
}

TEST(ConvDepthwise, GradientsMatchThePlainKernels) {
  for (const Shape& shape : kDepthwise)
    for (const Layout layout : {Layout::channels_last, Layout::channel_slice}) {
      SCOPED_TRACE(testing::Message() << shape << " " << name_of(layout));
      check_gradients(shape, layout, Layout::row_major);
    }
}

TEST(ConvDepthwise, GradientsOfEveryWidth) {
  for (const Pair kernel : {Pair(3), Pair(5), Pair(7), Pair(2, 4)})
    for (const int64_t stride : {1, 2, 3})
      for (int64_t width = kernel.w; width <= 20; ++width) {
        const Shape shape =
            depthwise(1, 23, 9, width, kernel, {.stride = stride, .padding = kernel.h / 2 + kernel.w / 4});
        SCOPED_TRACE(testing::Message() << shape);
        check_gradients(shape, Layout::channels_last, Layout::channels_last);
      }
}

TEST(ConvDepthwise, GradientsOfRandomShapes) {
  std::mt19937 random(6);
  for (int i = 0; i < test::cases(300); ++i) {
    const Shape shape = random_depthwise(random);
    SCOPED_TRACE(testing::Message() << "seed 6, case " << i << ": " << shape);
    check_gradients(shape, random() % 2 == 0 ? Layout::channels_last : Layout::channel_slice, Layout::transposed);
    if (HasFailure()) return;
  }
}

TEST(ConvDepthwise, GradientsOfAnEmptyBatch) {
  const Shape shape = depthwise(0, 6, 7, 7, {3, 3}, {.padding = 1});
  check_gradients(shape, Layout::channels_last, Layout::row_major);  // that of the weight is zero
}

TEST(ConvDepthwise, GradientsDoNotDependOnThreads) {
  for (const Shape& shape : {depthwise(3, 24, 13, 14, {3, 3}, {.padding = 1}),
                             depthwise(2, 200, 7, 7, {5, 5}, {.stride = 2, .padding = 2})}) {
    SCOPED_TRACE(testing::Message() << shape);
    const Sizes sizes(shape);
    const Box x = std::move(Box(DType::f32, sizes.x, Layout::channels_last).randomize(1));
    const Box weight = std::move(Box(DType::f32, sizes.weight).randomize(2));
    const Box g = std::move(Box(DType::f32, sizes.y, Layout::channels_last).randomize(3));
    const int before = num_threads();
    std::vector<double> dx_of_one, dweight_of_one;
    for (const int threads : {1, 2, 4}) {
      set_num_threads(threads);
      const Box dx(DType::f32, sizes.x, Layout::channels_last), dweight(DType::f32, sizes.weight);
      GuardedScratch scratch(std::max(conv_depthwise_grad_input_scratch(g, weight, shape.geometry, dx),
                                      conv_depthwise_grad_weight_scratch(x, g, shape.geometry, dweight)));
      conv_depthwise_grad_input(g, weight, shape.geometry, dx, scratch.data());
      conv_depthwise_grad_weight(x, g, shape.geometry, dweight, scratch.data());
      if (threads == 1) dx_of_one = dx.values(), dweight_of_one = dweight.values();
      EXPECT_EQ(dx.values(), dx_of_one) << threads << " threads";
      EXPECT_EQ(dweight.values(), dweight_of_one) << threads << " threads";
    }
    set_num_threads(before);
  }
}

TEST(ConvDepthwise, GradientsRefuseWhatTheyCannot) {
  const auto refuses = [](const Shape& shape, Layout layout) {
    const Sizes sizes(shape);
    const Box x(DType::f32, sizes.x, layout), weight(DType::f32, sizes.weight), g(DType::f32, sizes.y, layout);
    return std::pair(!conv_depthwise_grad_input_supports(g, weight, shape.geometry, x),
                     !conv_depthwise_grad_weight_supports(x, g, shape.geometry, weight));
  };
  const auto last = Layout::channels_last;
  EXPECT_EQ(refuses(kDepthwise[0], last), std::pair(false, false));
  EXPECT_EQ(refuses(kDepthwise[0], Layout::row_major), std::pair(true, true));
  EXPECT_EQ(refuses(depthwise(1, 8, 9, 9, {3, 3}, {.stride = 2, .dilation = 2}), last), std::pair(true, true));
  EXPECT_EQ(refuses(depthwise(1, 8, 9, 9, {2, 2}, {}), last), std::pair(false, true));
  EXPECT_EQ(refuses({1, 8, 9, 9, 16, {3, 3}, {.groups = 8}}, last), std::pair(true, true));
}

/// Tiles of every kernel, the micro-kernel beside its plain twin.
TEST(Depthwise, TheMicroKernelMatchesItsTwin) {
  std::mt19937 random(5);
  const auto pick = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random() % static_cast<unsigned>(high - low + 1));
  };
  for (int i = 0; i < test::cases(600); ++i) {
    depthwise::Tile tile{.width = static_cast<int>(pick(1, depthwise::kMostWidth)),
                         .taps = static_cast<int>(pick(1, 7)),
                         .stride = pick(1, 3),
                         .dilation = pick(1, 2),
                         .rows = static_cast<int>(pick(0, 3)),
                         .channels = pick(1, 40)};
    const auto columns = static_cast<int>((tile.width - 1) * tile.stride + (tile.taps - 1) * tile.dilation + 1);
    SCOPED_TRACE(testing::Message() << "seed 5, case " << i << ": " << tile.width << " results of " << tile.rows << "x"
                                    << tile.taps << " taps, stride " << tile.stride << ", dilation " << tile.dilation
                                    << ", " << tile.channels << " channels");
    const Box x = std::move(Box(DType::f32, {3, columns, tile.channels}, Layout::channel_slice).randomize(random()));
    const Box weights =
        std::move(Box(DType::f32, {(tile.channels + 15) / 16, 3, tile.taps, depthwise::kStrip}).randomize(random()));
    const Box bias = std::move(Box(DType::f32, {tile.channels}).randomize(random()));
    const Box residual =
        std::move(Box(DType::f32, {tile.width, tile.channels}, Layout::channel_slice).randomize(random()));
    const Box y(DType::f32, {tile.width, tile.channels}, Layout::channel_slice);
    const Box expected(DType::f32, {tile.width, tile.channels}, Layout::channel_slice);
    tile.x = x.array().as<float>(), tile.x_row = x.array().strides[0], tile.x_pixel = x.array().strides[1];
    tile.begin = static_cast<int>(pick(0, tile.taps - 1));
    tile.end = columns - static_cast<int>(pick(0, tile.taps - 1));
    if (tile.begin >= tile.end) tile.begin = 0, tile.end = columns;
    tile.weights = weights.array().as<float>();
    tile.weight_strip = weights.array().strides[0], tile.weight_row = weights.array().strides[1];
    if (random() % 2 == 0) tile.bias = bias.array().as<float>();
    if (random() % 2 == 0) tile.residual = residual.array().as<float>();
    tile.residual_pixel = residual.array().strides[0];
    tile.out_pixel = y.array().strides[0];
    tile.low = random() % 2 == 0 ? 0 : -std::numeric_limits<float>::infinity();
    tile.high = random() % 2 == 0 ? 6 : std::numeric_limits<float>::infinity();
    if (random() % 2 == 0) tile.next_x = tile.x, tile.next_out = y.array().as<float>();
    tile.out = expected.array().as<float>();
    depthwise::run_tile_plain(tile);
    tile.out = y.array().as<float>();
    depthwise::run_tile(tile);
    expect_close(y, expected, tile.rows * tile.taps + 2);
    EXPECT_TRUE(y.guards_hold());
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace ingot::kernels
