#include <gtest/gtest.h>

#include <fmt/format.h>

#include "cases.h"
#include "kernels/conv_cases.h"
#include "kernels/conv_gemm_grad.h"
#include "kernels/conv_onednn.h"
#include "kernels/conv_winograd_grad.h"
#include "kernels/gemm.h"
#include "kernels/outer_products.h"

// The gradients of convolutions by our own products and by Winograd's filtering.
namespace ingot::kernels {
namespace {

constexpr Layout kLayouts[] = {Layout::channels_last, Layout::channel_slice};

void check_gemm(const Shape& shape, Layout layout, Layout weight_layout) {
  const GradientCase c(shape, DType::f32, layout, weight_layout);
  if (shape.geometry.groups == 1) {
    ASSERT_TRUE(conv_gemm_grad_input_supports(c.g, c.weight, shape.geometry, c.dx));
    c.check_input(4, conv_gemm_grad_input_scratch, conv_gemm_grad_input);
  } else {
    EXPECT_FALSE(conv_gemm_grad_input_supports(c.g, c.weight, shape.geometry, c.dx));
  }
  ASSERT_TRUE(conv_gemm_grad_weight_supports(c.x, c.g, c.dweight));
  c.check_weight(4, conv_gemm_grad_weight_scratch, conv_gemm_grad_weight);
}

void check_winograd(int m, const GradientCase& c) {
  ASSERT_TRUE(conv_winograd_grad_supports(c.x, c.weight, c.g, c.shape.geometry));
  // Transforms make numbers that are some times larger, and add as many roundings; a window beyond the padding's
  // reach has a few terms only, but takes part in a tile's sums.
  const double roundings = m == 2 ? 4 : 16;
  c.check_input(
      roundings, [m](auto&&... a) { return conv_winograd_grad_input_scratch(m, a...); },
      [m](auto&&... a) { conv_winograd_grad_input(m, a...); });
  c.check_weight(
      roundings, [m](auto&&... a) { return conv_winograd_grad_weight_scratch(m, a...); },
      [m](auto&&... a) { conv_winograd_grad_weight(m, a...); });
}

TEST(ConvGemmGrad, MatchesThePlainKernels) {
  for (const Shape& shape : kShapes)
    for (const Layout layout : kLayouts) {
      SCOPED_TRACE(testing::Message() << shape << " " << name_of(layout));
      check_gemm(shape, layout, layout);
    }
}

TEST(ConvGemmGrad, RandomShapes) {
  std::mt19937 random(6);
  const auto layout = [&] { return kLayouts[random() % std::size(kLayouts)]; };
  for (int i = 0; i < test::cases(200); ++i) {
    Shape shape = random_shape(random);
    // Several pieces, blocks and slices now and then.
    if (random() % 4 == 0) shape.height += 20, shape.width += 10;
    if (random() % 4 == 0) shape.in += shape.geometry.groups * static_cast<int64_t>(random() % 300);
    if (random() % 4 == 0) shape.out += shape.geometry.groups * static_cast<int64_t>(random() % 300);
    SCOPED_TRACE(testing::Message() << "case " << i << ": " << shape);
    check_gemm(shape, layout(), random() % 2 == 0 ? Layout::transposed : Layout::channels_last);
    if (HasFailure()) return;
  }
}

TEST(ConvWinogradGrad, MatchesThePlainKernels) {
  for (const int m : {2, 4})
    for (const Shape& shape : kThreeByThree)
      for (const Layout layout : kLayouts) {
        SCOPED_TRACE(testing::Message() << "F(" << m << ",3) " << shape << " " << name_of(layout));
        check_winograd(m, GradientCase(shape, DType::f32, layout, Layout::row_major));
      }
}

TEST(ConvWinogradGrad, RandomShapes) {
  std::mt19937 random(7);
  const auto layout = [&] { return kLayouts[random() % std::size(kLayouts)]; };
  for (int i = 0; i < test::cases(100); ++i) {
    Shape shape = random_shape(random);
    shape.kernel = 3;
    shape.geometry.stride = shape.geometry.dilation = 1;
    shape.geometry.groups = 1;
    shape.height += 2, shape.width += 2;
    if (random() % 4 == 0) shape.in += static_cast<int64_t>(random() % 300);
    if (random() % 4 == 0) shape.out += static_cast<int64_t>(random() % 300);
    const int m = random() % 2 == 0 ? 2 : 4;
    SCOPED_TRACE(testing::Message() << "case " << i << ": F(" << m << ",3) " << shape);
    const Layout weight_layout = random() % 2 == 0 ? Layout::transposed : Layout::channels_last;
    check_winograd(m, GradientCase(shape, DType::f32, layout(), weight_layout));
    if (HasFailure()) return;
  }
}

TEST(ConvWinogradGrad, ErrsByAFewRoundings) {
  for (const auto& [batch, side] : {std::pair<int64_t, int64_t>{1, 14}, {4, 14}, {4, 28}, {2, 56}}) {
    const Shape shape{batch, 16, side, side, 16, {3, 3}, {.padding = 1}};
    const GradientCase c(shape, DType::f32, Layout::channels_last, Layout::channels_last);
    const Box dx(DType::f32, c.sizes.x), dweight(DType::f32, c.sizes.weight);
    conv2d_grad_input_reference(c.g, c.weight, shape.geometry, dx);
    conv2d_grad_weight_reference(c.x, c.g, shape.geometry, dweight);
    c.check_weight(4, conv_onednn_grad_weight_scratch, conv_onednn_grad_weight);
    const double long_sums = relative_error(c.dweight, dweight);
    c.check_input(4, conv_gemm_grad_input_scratch, conv_gemm_grad_input);
    c.check_weight(4, conv_gemm_grad_weight_scratch, conv_gemm_grad_weight);
    const double plain_input = relative_error(c.dx, dx), plain_weight = relative_error(c.dweight, dweight);
    for (const int m : {2, 4}) {
      check_winograd(m, c);
      const double input = relative_error(c.dx, dx), weight = relative_error(c.dweight, dweight);
      RecordProperty(fmt::format("F{}_{}x{}x{}", m, batch, side, side),
                     fmt::format("input {:.2e}, plain {:.2e}; weight {:.2e}, plain {:.2e}, oneDNN {:.2e}", input,
                                 plain_input, weight, plain_weight, long_sums));
      EXPECT_LT(input, (m == 2 ? 1.2 : 3) * plain_input) << "F(" << m << ",3), " << batch << "x" << side;
      // Both are sums of short sums; the transforms of both operands add their part.
      EXPECT_LT(weight, (m == 2 ? 2 : 6) * plain_weight) << "F(" << m << ",3), " << batch << "x" << side;
    }
  }
}

/// f(scratch, result) fills a result; it has the same bits on any number of threads.
template <class Size, class Run>
void expect_bits_of_any_threads(const Box& result, const Size& size, const Run& run) {
  const int threads = num_threads();
  std::vector<std::vector<double>> values;
  for (const int count : {1, 2, 3}) {
    set_num_threads(count);
    GuardedScratch scratch(size());
    run(scratch.data());
    values.push_back(result.values());
  }
  set_num_threads(threads);
  EXPECT_EQ(values[0], values[1]);
  EXPECT_EQ(values[0], values[2]);
}

TEST(ConvGrad, BitsDoNotDependOnThreads) {
  for (const Shape& shape : {Shape{5, 24, 29, 28, 40, {3, 3}, {.padding = 1}}, Shape{3, 70, 14, 14, 130, {1, 1}, {}},
                             Shape{5, 3, 33, 29, 17, {5, 5}, {.stride = 2, .padding = 2}}}) {
    SCOPED_TRACE(testing::Message() << shape);
    const GradientCase c(shape, DType::f32, Layout::channels_last, Layout::channels_last);
    const ConvGeometry& geometry = shape.geometry;
    expect_bits_of_any_threads(
        c.dx, [&] { return conv_gemm_grad_input_scratch(c.g, c.weight, geometry, c.dx); },
        [&](void* scratch) { conv_gemm_grad_input(c.g, c.weight, geometry, c.dx, scratch); });
    expect_bits_of_any_threads(
        c.dweight, [&] { return conv_gemm_grad_weight_scratch(c.x, c.g, geometry, c.dweight); },
        [&](void* scratch) { conv_gemm_grad_weight(c.x, c.g, geometry, c.dweight, scratch); });
    if (!conv_winograd_grad_supports(c.x, c.weight, c.g, geometry)) continue;
    expect_bits_of_any_threads(
        c.dweight, [&] { return conv_winograd_grad_weight_scratch(4, c.x, c.g, geometry, c.dweight); },
        [&](void* scratch) { conv_winograd_grad_weight(4, c.x, c.g, geometry, c.dweight, scratch); });
  }
}

/// Positions and sums, the micro-kernel beside its plain twin.
TEST(OuterProducts, TheMicroKernelMatchesItsTwin) {
  std::mt19937 random(8);
  const auto pick = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random() % static_cast<unsigned>(high - low + 1));
  };
  const gemm::Tile tile = gemm::tile();
  for (int i = 0; i < test::cases(300); ++i) {
    const int64_t rows = pick(1, 2 * tile.rows), columns = pick(1, tile.columns);
    const int64_t planes = pick(1, 3), lines = pick(1, 4), length = pick(1, 9);
    SCOPED_TRACE(testing::Message() << "case " << i << ": " << rows << "x" << columns << ", " << planes << "x" << lines
                                    << "x" << length);
    const Layout layout = random() % 2 == 0 ? Layout::row_major : Layout::channel_slice;
    const Box a = std::move(Box(DType::f32, {planes, lines, length, rows}, layout).randomize(random()));
    const Box b = std::move(Box(DType::f32, {planes, lines, length, tile.columns}, layout).randomize(random()));
    const auto walk = [](const Box& box) {
      const auto& s = box.array().strides;
      return outer::Walk{.data = box.array().as<float>(), .plane = s[0], .row = s[1], .step = s[2]};
    };
    Box sums = std::move(Box(DType::f32, {rows, columns}, Layout::channel_slice).randomize(1));
    Box expected = std::move(Box(DType::f32, {rows, columns}, Layout::channel_slice).randomize(1));
    outer::Block block{.a = walk(a),
                       .b = walk(b),
                       .planes = planes,
                       .rows = lines,
                       .length = length,
                       .sums = expected.array().as<float>(),
                       .sums_stride = expected.array().strides[0],
                       .columns = columns,
                       .first = random() % 2 == 0};
    outer::run_block_plain(static_cast<int>(rows), block);
    block.sums = sums.array().as<float>();
    outer::run(rows, block.joined());
    expect_close(sums, expected, static_cast<double>(planes * lines * length + 1));
    EXPECT_TRUE(sums.guards_hold());
    if (HasFailure()) return;
  }
}

TEST(OuterProducts, PixelsGoToStrips) {
  for (const int64_t width : {gemm::tile().columns, 2 * gemm::tile().columns})
    for (const int64_t channels : {1L, 3L, 8L, 17L, 40L}) {
      constexpr int64_t kCount = 5;
      const Box pixels = std::move(Box(DType::f32, {kCount, channels}, Layout::channel_slice).randomize(1));
      const int64_t strips = (channels + width - 1) / width;
      const Box out = std::move(Box(DType::f32, {strips, kCount, width}).randomize(2));
      outer::copy_strips({pixels.array().as<float>(), pixels.array().strides[0], kCount, channels}, width,
                         kCount * width, out.array().as<float>());
      for (int64_t s = 0; s < strips; ++s)
        for (int64_t i = 0; i < kCount; ++i)
          for (int64_t c = 0; c < width; ++c) {
            const int64_t channel = s * width + c;
            const float want =
                channel < channels ? pixels.array().as<float>()[i * pixels.array().strides[0] + channel] : 0;
            EXPECT_EQ(out.array().as<float>()[(s * kCount + i) * width + c], want);
          }
      EXPECT_TRUE(out.guards_hold());
    }
}

}  // namespace
}  // namespace ingot::kernels
