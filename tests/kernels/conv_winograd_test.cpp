#include "kernels/conv_winograd.h"

#include <gmock/gmock.h>

#include <fmt/format.h>

#include "cases.h"
#include "error_of.h"
#include "kernels/conv_cases.h"
#include "kernels/conv_gemm.h"
#include "kernels/winograd_transforms.h"

namespace ingot::kernels {
namespace {

using testing::HasSubstr;

/// Packs, with guard bytes around the packed weights and the scratch, and runs.
void run(int m, const ConvArgs& args) {
  ASSERT_TRUE(conv_winograd_supports(args));
  GuardedScratch packed(conv_winograd_packed_bytes(m, args));
  GuardedScratch scratch(conv_winograd_scratch(m, args));
  conv_winograd_pack(m, args, packed.data());
  conv_winograd(m, args, packed.data(), scratch.data());
  EXPECT_TRUE(packed.guard_holds());
  EXPECT_TRUE(scratch.guard_holds());
}

void check(int m, const Shape& shape, Activation activation, Layout x_layout, Layout weight_layout, Layout y_layout) {
  const ForwardCase c(shape, activation, x_layout, weight_layout, y_layout);
  run(m, c.args);
  // Transforms make numbers that are some times larger, and add as many roundings.
  c.expect_plain(m == 2 ? 2 : 8);
}

TEST(ConvWinograd, MatchesThePlainKernel) {
  for (const int m : {2, 4})
    for (const Shape& shape : kThreeByThree)
      for (const Layout layout : {Layout::channels_last, Layout::channel_slice}) {
        SCOPED_TRACE(testing::Message() << "F(" << m << ",3) " << shape << " " << name_of(layout));
        check(m, shape, Activation::relu, layout, Layout::row_major, layout);
      }
}

TEST(ConvWinograd, EveryActivation) {
  for (const int m : {2, 4})
    for (const Activation activation : kActivations) {
      SCOPED_TRACE(testing::Message() << "F(" << m << ",3) " << static_cast<int>(activation));
      check(m, kThreeByThree[2], activation, Layout::channels_last, Layout::channels_last, Layout::channel_slice);
    }
}

TEST(ConvWinograd, RandomShapes) {
  std::mt19937 random(4);
  constexpr Layout kLayouts[] = {Layout::channels_last, Layout::channel_slice};
  const auto layout = [&] { return kLayouts[random() % std::size(kLayouts)]; };
  for (int i = 0; i < test::cases(100); ++i) {
    Shape shape = random_shape(random);
    shape.kernel = 3;
    shape.geometry.stride = shape.geometry.dilation = 1;
    shape.geometry.groups = 1;
    shape.height += 2, shape.width += 2;
    if (random() % 4 == 0) shape.in += static_cast<int64_t>(random() % 300);
    const int m = random() % 2 == 0 ? 2 : 4;
    SCOPED_TRACE(testing::Message() << "case " << i << ": F(" << m << ",3) " << shape);
    check(m, shape, Activation::none, layout(), Layout::transposed, layout());
    if (HasFailure()) return;
  }
}

TEST(ConvWinograd, ErrsByAFewRoundings) {
  for (const int64_t channels : {16, 64, 256, 1024}) {
    const Shape shape{1, channels, 12, 12, 16, {3, 3}, {.padding = 1}};
    const Sizes sizes(shape);
    const Box x = std::move(Box(DType::f32, sizes.x, Layout::channels_last).randomize(1));
    const Box weight = std::move(Box(DType::f32, sizes.weight).randomize(2));
    const Box y(DType::f32, sizes.y, Layout::channels_last), expected(DType::f32, sizes.y);
    ConvArgs args{.x = x, .weight = weight, .geometry = shape.geometry, .y = expected};
    conv2d_reference(args);
    args.y = y;
    GuardedScratch packed(conv_gemm_packed_bytes(args)), scratch(conv_gemm_scratch(args));
    conv_gemm_pack(args, packed.data());
    conv_gemm(args, packed.data(), scratch.data());
    const double plain = relative_error(y, expected);
    for (const int m : {2, 4}) {
      run(m, args);
      const double error = relative_error(y, expected);
      RecordProperty(fmt::format("F{}_{}_channels", m, channels), fmt::format("{:.2e}, plain {:.2e}", error, plain));
      EXPECT_LT(error, (m == 2 ? 1.2 : 3) * plain) << "F(" << m << ",3), " << channels << " channels";
    }
  }
}

TEST(ConvWinograd, BitsDependOnTheImageAlone) {
  for (const int m : {2, 4})
    for (const Shape& shape :
         {Shape{5, 24, 13, 14, 40, {3, 3}, {.padding = 1}}, Shape{3, 600, 7, 9, 33, {3, 3}, {.padding = 1}}}) {
      SCOPED_TRACE(testing::Message() << "F(" << m << ",3) " << shape);
      expect_bits_of_the_image_alone(shape, [m](const ConvArgs& args) { run(m, args); });
    }
}

TEST(ConvWinograd, PackedWeightsComeBackAsTheyWere) {
  for (const int m : {2, 4})
    for (const Shape& shape : kThreeByThree) {
      SCOPED_TRACE(testing::Message() << "F(" << m << ",3) " << shape);
      const Sizes sizes(shape);
      const Box x(DType::f32, sizes.x, Layout::channels_last), y(DType::f32, sizes.y, Layout::channels_last);
      const Box weight = std::move(Box(DType::f32, sizes.weight, Layout::transposed).randomize(2));
      const ConvArgs args{.x = x, .weight = weight, .geometry = shape.geometry, .y = y};
      const size_t bytes = conv_winograd_packed_bytes(m, args);
      GuardedScratch packed(bytes);
      conv_winograd_pack(m, args, packed.data());
      const std::span span(static_cast<const std::byte*>(packed.data()), bytes);
      check_conv_winograd_packed(m, weight, span, conv_winograd_packed_format(m));
      EXPECT_THAT(error_of([&] { check_conv_winograd_packed(6 - m, weight, span, conv_winograd_packed_format(m)); }),
                  HasSubstr("packed weights are 'winograd"));
      EXPECT_THAT(error_of([&] {
                    check_conv_winograd_packed(m, weight, span.first(bytes - 4), conv_winograd_packed_format(m));
                  }),
                  HasSubstr("takes"));
      const Box back(DType::f32, sizes.weight);
      conv_winograd_unpack(m, packed.data(), back);
      EXPECT_EQ(back.values(), weight.values());
    }
}

TEST(ConvWinograd, EmptyBatchIsNoWork) {
  const Shape shape{0, 4, 7, 7, 6, {3, 3}, {.padding = 1}};
  const Sizes sizes(shape);
  const Box x(DType::f32, sizes.x, Layout::channels_last), y(DType::f32, sizes.y, Layout::channels_last);
  const Box weight = std::move(Box(DType::f32, sizes.weight).randomize(2));
  run(4, {.x = x, .weight = weight, .geometry = shape.geometry, .y = y});
}

TEST(ConvWinograd, SupportsThreeByThreeOfStrideOneOnly) {
  for (const Shape& shape : kShapes) {
    const ConvGeometry& g = shape.geometry;
    const Sizes sizes(shape);
    const Box x(DType::f32, sizes.x, Layout::channels_last), y(DType::f32, sizes.y, Layout::channels_last);
    const Box weight(DType::f32, sizes.weight);
    EXPECT_EQ(conv_winograd_supports({.x = x, .weight = weight, .geometry = g, .y = y}),
              shape.kernel == Pair(3) && g.stride == Pair(1) && g.dilation == Pair(1) && g.groups == 1)
        << shape;
  }
}

TEST(Winograd, TransformsMatchTheirTwins) {
  std::mt19937 random(5);
  for (const int m : {2, 4})
    for (const int64_t channels : {1, 3, 7, 8, 9, 17, 32}) {
      SCOPED_TRACE(testing::Message() << "F(" << m << ",3), " << channels << " channels");
      const int products = winograd::products(m);
      const Box pixels = std::move(Box(DType::f32, {products, channels}, Layout::channel_slice).randomize(random()));
      std::vector<const float*> pointers;
      for (int p = 0; p < products; ++p) pointers.push_back(pixels.array().as<float>() + p * pixels.array().strides[0]);
      for (const auto which : {winograd::Transform::input, winograd::Transform::weight, winograd::Transform::gradient,
                               winograd::Transform::weight_sums})
        for (const int64_t width : {channels, channels / 2 + 1}) {  // results in one strip, and in two
          const int rows = winograd::matrix_of(which, m).rows;
          const int64_t strips = (channels + width - 1) / width;
          const Box out(DType::f32, {rows * rows, strips, width}, Layout::channel_slice);
          const Box expected(DType::f32, {rows * rows, strips, width}, Layout::channel_slice);
          winograd::Planes planes{.in = pointers.data(),
                                  .channels = channels,
                                  .out = out.array().as<float>(),
                                  .plane = out.array().strides[0],
                                  .width = width,
                                  .strip = out.array().strides[1]};
          winograd::transform(which, m, planes);
          planes.out = expected.array().as<float>();
          winograd::transform_plain(which, m, planes);
          expect_close(out, expected, 36);
          EXPECT_TRUE(out.guards_hold());
        }

      const Box bias = std::move(Box(DType::f32, {channels}).randomize(random()));
      const Box residual = std::move(Box(DType::f32, {m, m, channels}, Layout::channel_slice).randomize(random()));
      for (int rows = 1; rows <= m; ++rows)
        for (int columns = 1; columns <= m; ++columns) {
          const Box out(DType::f32, {rows, columns, channels}, Layout::channel_slice);
          const Box expected(DType::f32, {rows, columns, channels}, Layout::channel_slice);
          winograd::OutputTile output{.sums = pixels.array().as<float>(),
                                      .plane = pixels.array().strides[0],
                                      .channels = channels,
                                      .bias = rows == 1 ? nullptr : bias.array().as<float>(),
                                      .rows = rows,
                                      .columns = columns,
                                      .out = out.array().as<float>(),
                                      .out_row = out.array().strides[0],
                                      .out_pixel = out.array().strides[1],
                                      .residual = columns == 1 ? nullptr : residual.array().as<float>(),
                                      .residual_row = residual.array().strides[0],
                                      .residual_pixel = residual.array().strides[1],
                                      .low = -2,
                                      .high = 3};
          winograd::transform_output(m, output);
          output.out = expected.array().as<float>();
          winograd::transform_output_plain(m, output);
          expect_close(out, expected, 100);
        }
    }
}

// The matrices against the definition: for one tile, A^T [(G g G^T) * (B^T d B)] A is the convolution.
TEST(Winograd, MatricesAreThoseOfConvolution) {
  for (const int m : {2, 4}) {
    const int e = winograd::edge(m);
    const winograd::Matrix bt = winograd::matrix_of(winograd::Transform::input, m), at = winograd::output_matrix(m),
                           g = winograd::matrix_of(winograd::Transform::weight, m);
    for (int i = 0; i < m; ++i)        // result
      for (int k = 0; k < e; ++k)      // pixel
        for (int t = 0; t < 3; ++t) {  // tap
          double sum = 0;
          for (int p = 0; p < e; ++p) sum += at.values[i * e + p] * g.values[p * 3 + t] * bt.values[p * e + k];
          EXPECT_NEAR(sum, k == i + t ? 1 : 0, 1e-14) << m << ": " << i << " " << k << " " << t;
        }
  }
}

}  // namespace
}  // namespace ingot::kernels
