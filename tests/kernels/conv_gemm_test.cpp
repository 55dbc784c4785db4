#include "kernels/conv_gemm.h"

#include <gtest/gtest.h>

#include "cases.h"
#include "ingot/threads.h"
#include "kernels/conv_cases.h"
#include "kernels/gemm.h"

namespace ingot::kernels {
namespace {

/// Packs, with guard bytes around the packed weights and the scratch, and runs.
void run(const ConvArgs& args) {
  ASSERT_TRUE(conv_gemm_supports(args));
  GuardedScratch packed(static_cast<size_t>(conv_gemm_packed_size(args)) * sizeof(float));
  GuardedScratch scratch(conv_gemm_scratch(args));
  auto* const weights = static_cast<float*>(packed.data());
  conv_gemm_pack(args, weights);
  conv_gemm(args, weights, scratch.data());
  EXPECT_TRUE(packed.guard_holds());
  EXPECT_TRUE(scratch.guard_holds());
}

void check(const Shape& shape, Activation activation, Layout x_layout, Layout weight_layout, Layout y_layout) {
  const Sizes sizes(shape);
  const Box x = std::move(Box(DType::f32, sizes.x, x_layout).randomize(1));
  const Box weight = std::move(Box(DType::f32, sizes.weight, weight_layout).randomize(2));
  const Box bias = std::move(Box(DType::f32, {shape.out}).randomize(3));
  const Box residual = std::move(Box(DType::f32, sizes.y, y_layout).randomize(4));
  const Box y(DType::f32, sizes.y, y_layout), expected(DType::f32, sizes.y);
  ConvArgs args{.x = x,
                .weight = weight,
                .bias = bias,
                .residual = residual,
                .geometry = shape.geometry,
                .activation = activation,
                .alpha = 0.25f,
                .y = y};
  if (activation == Activation::hardsigmoid) args.alpha = 1.0 / 6, args.beta = 0.5;
  run(args);
  args.y = expected;
  conv2d_reference(args);
  expect_close(y, expected, 4 * sizes.forward_terms());
  EXPECT_TRUE(y.guards_hold());
}

TEST(ConvGemm, MatchesThePlainKernel) {
  for (const Shape& shape : kShapes)
    for (const Layout layout : {Layout::channels_last, Layout::channel_slice}) {
      SCOPED_TRACE(testing::Message() << shape << " " << name_of(layout));
      check(shape, Activation::relu, layout, Layout::row_major, layout);
    }
}

TEST(ConvGemm, EveryActivation) {
  for (const Activation activation : kActivations)
    for (const Shape& shape : {kShapes[0], kShapes[3], kShapes[11]}) {
      SCOPED_TRACE(testing::Message() << static_cast<int>(activation) << " " << shape);
      check(shape, activation, Layout::channels_last, Layout::channels_last, Layout::channel_slice);
    }
}

TEST(ConvGemm, RandomShapes) {
  std::mt19937 random(2);
  constexpr Layout kLayouts[] = {Layout::channels_last, Layout::channel_slice};
  const auto layout = [&] { return kLayouts[random() % std::size(kLayouts)]; };
  for (int i = 0; i < test::cases(200); ++i) {
    Shape shape = random_shape(random);
    // Sums of several slices of k now and then.
    if (random() % 4 == 0) shape.in += shape.geometry.groups * static_cast<int64_t>(random() % 300);
    SCOPED_TRACE(testing::Message() << "case " << i << ": " << shape);
    check(shape, Activation::none, layout(), Layout::transposed, layout());
    if (HasFailure()) return;
  }
}

TEST(ConvGemm, BitsDependOnTheImageAlone) {
  const int threads = num_threads();
  for (const Shape& shape : {Shape{5, 24, 13, 14, 40, {3, 3}, {.padding = 1}}, Shape{5, 600, 7, 7, 33, {1, 1}, {}},
                             Shape{5, 3, 33, 29, 17, {5, 5}, {.stride = 2, .padding = 2}}}) {
    SCOPED_TRACE(testing::Message() << shape);
    const Sizes sizes(shape);
    const Box x = std::move(Box(DType::f32, sizes.x, Layout::channels_last).randomize(1));
    const Box weight = std::move(Box(DType::f32, sizes.weight).randomize(2));
    const Box y(DType::f32, sizes.y, Layout::channels_last), other(DType::f32, sizes.y, Layout::channels_last);
    ConvArgs args{.x = x, .weight = weight, .geometry = shape.geometry, .y = y};
    set_num_threads(1);
    run(args);
    for (const int count : {2, 4}) {
      set_num_threads(count);
      args.y = other;
      run(args);
      EXPECT_EQ(y.values(), other.values()) << count << " threads";
    }
    set_num_threads(threads);
    // The third image alone.
    const auto image = [](const Array& all) {
      Array one = all;
      one.shape[0] = 1;
      one.data = all.as<float>() + 2 * all.strides[0];
      return one;
    };
    const Box single(DType::f32, sizes.y, Layout::channels_last);
    args.x = image(x), args.y = image(single);
    run(args);
    const int64_t count = args.y.numel();
    EXPECT_TRUE(std::equal(args.y.as<float>(), args.y.as<float>() + count, image(y).as<float>()));
  }
}

TEST(ConvGemm, KeepsNaN) {
  const Shape shape{1, 8, 3, 3, 5, {1, 1}, {}};
  const Sizes sizes(shape);
  for (const Activation activation : {Activation::none, Activation::relu, Activation::relu6}) {
    Box x = std::move(Box(DType::f32, sizes.x, Layout::channels_last).randomize(1));
    x.array().as<float>()[0] = std::numeric_limits<float>::quiet_NaN();
    const Box weight = std::move(Box(DType::f32, sizes.weight).randomize(2));
    const Box y(DType::f32, sizes.y, Layout::channels_last);
    run({.x = x, .weight = weight, .geometry = shape.geometry, .activation = activation, .y = y});
    for (int64_t i = 0; i < y.array().numel(); ++i) EXPECT_EQ(std::isnan(y.array().as<float>()[i]), i < shape.out) << i;
  }
}

TEST(ConvGemm, EmptyBatchIsNoWork) {
  const Shape shape{0, 4, 7, 7, 6, {3, 3}, {.padding = 1}};
  const Sizes sizes(shape);
  const Box x(DType::f32, sizes.x, Layout::channels_last), y(DType::f32, sizes.y, Layout::channels_last);
  const Box weight = std::move(Box(DType::f32, sizes.weight).randomize(2));
  run({.x = x, .weight = weight, .geometry = shape.geometry, .y = y});
}

/// Rows, weights and places for results of a strip, the micro-kernel beside its plain twin.
TEST(Gemm, TheMicroKernelMatchesItsTwin) {
  std::mt19937 random(3);
  const auto pick = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random() % static_cast<unsigned>(high - low + 1));
  };
  const gemm::Tile tile = gemm::tile();
  for (int i = 0; i < test::cases(300); ++i) {
    const auto rows = static_cast<int>(pick(1, tile.rows)), panels = static_cast<int>(pick(1, 3));
    const auto taps = static_cast<int>(pick(1, 3));
    const int64_t depth = pick(1, 40), columns = pick(1, tile.columns), offset = pick(0, 2), count = rows * panels;
    SCOPED_TRACE(testing::Message() << "case " << i << ": " << panels << " panels of " << rows << ", " << taps
                                    << " taps of " << depth << ", " << columns << " columns");
    const Box a = std::move(Box(DType::f32, {taps, count, offset + depth}, Layout::channel_slice).randomize(random()));
    Box weights = std::move(Box(DType::f32, {taps, depth, tile.columns}).randomize(random()));
    const Box bias = std::move(Box(DType::f32, {columns}).randomize(random()));
    const Box residual = std::move(Box(DType::f32, {count, columns}, Layout::channel_slice).randomize(random()));
    std::vector<const float*> pointers(static_cast<size_t>(panels * taps * tile.rows));
    for (int p = 0; p < panels; ++p)
      for (int t = 0; t < taps; ++t)
        for (int r = 0; r < rows; ++r)
          pointers[static_cast<size_t>((p * taps + t) * tile.rows + r)] =
              a.array().as<float>() + t * a.array().strides[0] + (p * rows + r) * a.array().strides[1];
    std::vector<float> sums(static_cast<size_t>(gemm::sums_size(panels)));
    const Box y(DType::f32, {count, columns}, Layout::channel_slice);
    const Box expected(DType::f32, {count, columns}, Layout::channel_slice);
    gemm::Strip strip{.rows = pointers.data(),
                      .panels = panels,
                      .panel_step = int64_t{taps} * tile.rows,
                      .taps = taps,
                      .depth = depth,
                      .offset = offset,
                      .weights = weights.array().as<float>(),
                      .sums = sums.data(),
                      .out = expected.array().as<float>(),
                      .out_stride = expected.array().strides[0],
                      .columns = columns,
                      .bias = random() % 2 == 0 ? bias.array().as<float>() : nullptr,
                      .residual = random() % 2 == 0 ? residual.array().as<float>() : nullptr,
                      .residual_stride = residual.array().strides[0],
                      .low = random() % 2 == 0 ? 0 : -std::numeric_limits<float>::infinity(),
                      .high = random() % 2 == 0 ? 6 : std::numeric_limits<float>::infinity()};
    gemm::run_strip_plain(rows, strip);
    strip.out = y.array().as<float>();
    for (int t = 0; t < taps; ++t) {  // each tap a call, so that sums wait
      gemm::Strip slice = strip;
      slice.taps = 1;
      slice.rows = pointers.data() + int64_t{t} * tile.rows;
      slice.weights += t * depth * tile.columns;
      slice.first = t == 0, slice.last = t + 1 == taps;
      gemm::run_strip(rows, slice);
    }
    expect_close(y, expected, static_cast<double>(taps * depth + 2));
    EXPECT_TRUE(y.guards_hold());
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace ingot::kernels
