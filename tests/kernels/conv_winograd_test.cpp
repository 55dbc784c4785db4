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

struct Filtered {
  int m;
  Shape shape;
};

std::ostream& operator<<(std::ostream& out, const Filtered& f) { return out << "F(" << f.m << ") " << f.shape; }

Shape strided(Shape shape) {
  shape.geometry.stride = 2;
  return shape;
}

/// With each tile that they have.
template <class Shapes>
void add_filtered(const Shapes& shapes, std::vector<Filtered>& to) {
  for (const Shape& shape : shapes)
    for (const int m : {2, 4})
      if (conv_winograd_filters(m, shape.kernel)) to.push_back({m, shape});
}
std::vector<Filtered> filtered_shapes() {
  std::vector<Filtered> all;
  add_filtered(kThreeByThree, all);
  add_filtered(kLines, all);
  std::vector<Shape> of_stride_2;
  for (const Shape& shape : kThreeByThree) of_stride_2.push_back(strided(shape));
  add_filtered(of_stride_2, all);
  return all;
}

/// Packs, with guard bytes around the packed weights and the scratch, and runs.
void run(int m, const ConvArgs& args) {
  ASSERT_TRUE(conv_winograd_supports(m, args));
  GuardedScratch packed(conv_winograd_packed_bytes(m, args));
  GuardedScratch scratch(conv_winograd_scratch(m, args));
  conv_winograd_pack(m, args, packed.data());
  conv_winograd(m, args, packed.data(), scratch.data());
  EXPECT_TRUE(packed.guard_holds());
  EXPECT_TRUE(scratch.guard_holds());
}

void check(const Filtered& f, Activation activation, Layout x_layout, Layout weight_layout, Layout y_layout) {
  SCOPED_TRACE(testing::Message() << f << " " << name_of(x_layout) << ", activation " << static_cast<int>(activation));
  const ForwardCase c(f.shape, activation, x_layout, weight_layout, y_layout);
  run(f.m, c.args);
  // Transforms make numbers that are some times larger, and add as many roundings.
  const bool is_small = f.m == 2 && std::max(f.shape.kernel.h, f.shape.kernel.w) == 3;
  c.expect_plain(is_small ? 2 : 8);
}

TEST(ConvWinograd, MatchesThePlainKernel) {
  for (const Filtered& f : filtered_shapes())
    for (const Layout layout : {Layout::channels_last, Layout::channel_slice})
      check(f, Activation::relu, layout, Layout::row_major, layout);
}

TEST(ConvWinograd, EveryActivation) {
  for (const Filtered& f : {Filtered{2, kThreeByThree[2]}, Filtered{4, kThreeByThree[2]},
                            Filtered{4, strided(kThreeByThree[2])}, Filtered{4, kLines[2]}, Filtered{2, kLines[7]}})
    for (const Activation activation : kActivations)
      check(f, activation, Layout::channels_last, Layout::channels_last, Layout::channel_slice);
}

TEST(ConvWinograd, RandomShapes) {
  std::mt19937 random(4);
  constexpr Layout kLayouts[] = {Layout::channels_last, Layout::channel_slice};
  const auto layout = [&] { return kLayouts[random() % std::size(kLayouts)]; };
  for (int i = 0; i < test::cases(100); ++i) {
    constexpr Pair kKernels[] = {3, 3, {1, 3}, {3, 1}, {1, 7}, {7, 1}};
    Shape shape = random_shape(random);
    shape.kernel = kKernels[random() % std::size(kKernels)];
    shape.geometry.stride = shape.kernel == Pair(3) && random() % 3 == 0 ? 2 : 1;
    shape.geometry.dilation = 1;
    shape.geometry.groups = 1;
    shape.height += shape.kernel.h - 1, shape.width += shape.kernel.w - 1;
    if (random() % 4 == 0) shape.in += static_cast<int64_t>(random() % 300);
    const int m = random() % 2 == 0 || !conv_winograd_filters(4, shape.kernel) ? 2 : 4;
    SCOPED_TRACE(testing::Message() << "case " << i);
    check({m, shape}, Activation::none, layout(), Layout::transposed, layout());
    if (HasFailure()) return;
  }
}

TEST(ConvWinograd, ErrsByAFewRoundings) {
  struct Bound {
    int m;
    Pair kernel;
    double most;  // beside plain sums
    int stride = 1;
  };
  constexpr Bound kBounds[] = {{2, 3, 1.2},    {4, 3, 3},      {2, {1, 3}, 1.2}, {4, {3, 1}, 2},
                               {2, {1, 7}, 3}, {2, 3, 1.2, 2}, {4, 3, 1.4, 2}};
  for (const auto& [m, kernel, most, stride] : kBounds)
    for (const int64_t channels : {16, 64, 256, 1024}) {
      const Pads padding{kernel.h / 2, kernel.w / 2, kernel.h / 2, kernel.w / 2};
      const int64_t side = 12 * stride;
      const Shape shape{1, channels, side, side, 16, kernel, {.stride = stride, .padding = padding}};
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
      run(m, args);
      const double error = relative_error(y, expected);
      RecordProperty(fmt::format("F{}_{}x{}_stride_{}_{}_channels", m, kernel.h, kernel.w, stride, channels),
                     fmt::format("{:.2e}, plain {:.2e}", error, plain));
      EXPECT_LT(error, most * plain) << Filtered{m, shape};
    }
}

TEST(ConvWinograd, BitsDependOnTheImageAlone) {
  std::vector<Filtered> all;
  add_filtered(
      std::vector{Shape{5, 24, 13, 14, 40, {3, 3}, {.padding = 1}}, Shape{3, 600, 7, 9, 33, {3, 3}, {.padding = 1}},
                  Shape{5, 24, 13, 14, 40, {1, 3}, {.padding = {0, 1, 0, 1}}},
                  Shape{3, 130, 4, 9, 33, {7, 1}, {.padding = {3, 0, 3, 0}}},
                  Shape{5, 24, 25, 28, 40, {3, 3}, {.stride = 2, .padding = 1}}},
      all);
  for (const Filtered& f : all) {
    SCOPED_TRACE(testing::Message() << f);
    expect_bits_of_the_image_alone(f.shape, [&f](const ConvArgs& args) { run(f.m, args); });
  }
}

TEST(ConvWinograd, PackedWeightsComeBackAsTheyWere) {
  for (const Filtered& f : filtered_shapes()) {
    SCOPED_TRACE(testing::Message() << f);
    const auto& [m, shape] = f;
    const Sizes sizes(shape);
    const Box x(DType::f32, sizes.x, Layout::channels_last), y(DType::f32, sizes.y, Layout::channels_last);
    const Box weight = std::move(Box(DType::f32, sizes.weight, Layout::transposed).randomize(2));
    const ConvArgs args{.x = x, .weight = weight, .geometry = shape.geometry, .y = y};
    const size_t bytes = conv_winograd_packed_bytes(m, args);
    GuardedScratch packed(bytes);
    conv_winograd_pack(m, args, packed.data());
    const std::span span(static_cast<const std::byte*>(packed.data()), bytes);
    const std::string format = conv_winograd_packed_format(m, shape.geometry.stride.h);
    check_conv_winograd_packed(m, weight, span, format);
    EXPECT_THAT(error_of([&] { check_conv_winograd_packed(6 - m, weight, span, format); }),
                HasSubstr("packed weights are 'winograd"));
    EXPECT_THAT(error_of([&] { check_conv_winograd_packed(m, weight, span.first(bytes - 4), format); }),
                HasSubstr("takes"));
    const Box back(DType::f32, sizes.weight);
    conv_winograd_unpack(m, packed.data(), back);
    EXPECT_EQ(back.values(), weight.values());
  }
}

TEST(ConvWinograd, RefusesWeightsPackedForAnotherStrideOrTile) {
  const Shape shape{1, 4, 9, 9, 6, {3, 3}, {.padding = 1}};
  const auto packs = [](int m, const Shape& s, const auto& use) {
    const Sizes sizes(s);
    const Box x(DType::f32, sizes.x, Layout::channels_last), y(DType::f32, sizes.y, Layout::channels_last);
    const Box weight = std::move(Box(DType::f32, sizes.weight).randomize(2));
    const ConvArgs args{.x = x, .weight = weight, .geometry = s.geometry, .y = y};
    GuardedScratch packed(conv_winograd_packed_bytes(m, args)), scratch(conv_winograd_scratch(m, args));
    conv_winograd_pack(m, args, packed.data());
    use(args, packed.data(), scratch.data());
  };
  packs(4, shape, [&](const ConvArgs&, const void* of_stride_1, void*) {
    packs(4, strided(shape), [&](const ConvArgs& args, const void* of_stride_2, void* scratch) {
      EXPECT_EQ(error_of([&] { conv_winograd(4, args, of_stride_2, scratch); }), "");
      EXPECT_THAT(error_of([&] { conv_winograd(4, args, of_stride_1, scratch); }), HasSubstr("another stride or tile"));
    });
    packs(2, shape, [&](const ConvArgs& args, const void*, void* scratch) {
      EXPECT_THAT(error_of([&] { conv_winograd(2, args, of_stride_1, scratch); }), HasSubstr("another stride or tile"));
    });
  });
}

TEST(ConvWinograd, EmptyBatchIsNoWork) {
  const Shape shape{0, 4, 7, 7, 6, {3, 3}, {.padding = 1}};
  const Sizes sizes(shape);
  const Box x(DType::f32, sizes.x, Layout::channels_last), y(DType::f32, sizes.y, Layout::channels_last);
  const Box weight = std::move(Box(DType::f32, sizes.weight).randomize(2));
  run(4, {.x = x, .weight = weight, .geometry = shape.geometry, .y = y});
}

TEST(ConvWinograd, SupportsStridesOneAndTwo) {
  for (const Shape& shape : kShapes) {
    const ConvGeometry& g = shape.geometry;
    const Sizes sizes(shape);
    const Box x(DType::f32, sizes.x, Layout::channels_last), y(DType::f32, sizes.y, Layout::channels_last);
    const Box weight(DType::f32, sizes.weight);
    for (const int m : {2, 4})
      EXPECT_EQ(conv_winograd_supports(m, {.x = x, .weight = weight, .geometry = g, .y = y}),
                shape.kernel == Pair(3) && (g.stride == Pair(1) || g.stride == Pair(2)) && g.dilation == Pair(1) &&
                    g.groups == 1)
          << shape;
  }
}

TEST(ConvWinograd, FiltersSquaresAndLines) {
  for (const int m : {2, 4}) {
    for (const Pair kernel : {Pair(3), Pair(1, 3), Pair(3, 1)}) EXPECT_TRUE(conv_winograd_filters(m, kernel));
    for (const Pair kernel : {Pair(1), Pair(5), Pair(7), Pair(1, 5), Pair(3, 7), Pair(2, 3)})
      EXPECT_FALSE(conv_winograd_filters(m, kernel));
    for (const Pair kernel : {Pair(1, 7), Pair(7, 1)}) EXPECT_EQ(conv_winograd_filters(m, kernel), m == 2);
  }
}

constexpr winograd::Filter kFilters[] = {{2, 3},      {4, 3},      {2, {1, 3}}, {2, {3, 1}}, {4, {1, 3}},
                                         {4, {3, 1}}, {2, {1, 7}}, {2, {7, 1}}, {2, 3, 2},   {4, 3, 2}};

TEST(Winograd, TransformsMatchTheirTwins) {
  std::mt19937 random(5);
  using winograd::Transform;
  for (const winograd::Filter& filter : kFilters)
    for (const int64_t channels : {1, 3, 7, 8, 9, 17, 32}) {
      SCOPED_TRACE(testing::Message() << "F(" << filter.m << ") of " << filter.kernel.h << "x" << filter.kernel.w
                                      << ", stride " << filter.stride << ", " << channels << " channels");
      const Box pixels =
          std::move(Box(DType::f32, {filter.products(), channels}, Layout::channel_slice).randomize(random()));
      std::vector<const float*> pointers;
      for (int p = 0; p < filter.products(); ++p)
        pointers.push_back(pixels.array().as<float>() + p * pixels.array().strides[0]);
      for (const auto which : {Transform::input, Transform::weight, Transform::gradient, Transform::weight_sums})
        for (const int64_t width : {channels, channels / 2 + 1}) {  // results in one strip, and in two
          const bool has_gradients = !filter.is_line() && filter.stride == 1;
          if (!has_gradients && which != Transform::input && which != Transform::weight) continue;
          const int rows = winograd::matrix_of(which, filter).rows;
          const int64_t strips = (channels + width - 1) / width, results = filter.is_line() ? rows : rows * rows;
          const Box out(DType::f32, {results, strips, width}, Layout::channel_slice);
          const Box expected(DType::f32, {results, strips, width}, Layout::channel_slice);
          winograd::Planes planes{.in = pointers.data(),
                                  .channels = channels,
                                  .out = out.array().as<float>(),
                                  .plane = out.array().strides[0],
                                  .width = width,
                                  .strip = out.array().strides[1]};
          winograd::transform(which, filter, planes);
          planes.out = expected.array().as<float>();
          winograd::transform_plain(which, filter, planes);
          expect_close(out, expected, 36);
          EXPECT_TRUE(out.guards_hold());
        }

      const auto [most_rows, most_columns] = filter.results();
      const Box bias = std::move(Box(DType::f32, {channels}).randomize(random()));
      const Box residual =
          std::move(Box(DType::f32, {most_rows, most_columns, channels}, Layout::channel_slice).randomize(random()));
      for (int rows = 1; rows <= most_rows; ++rows)
        for (int columns = 1; columns <= most_columns; ++columns) {
          const Box out(DType::f32, {rows, columns, channels}, Layout::channel_slice);
          const Box expected(DType::f32, {rows, columns, channels}, Layout::channel_slice);
          const bool is_bare = (rows + columns) % 2 == 0;
          winograd::OutputTile output{.sums = pixels.array().as<float>(),
                                      .plane = pixels.array().strides[0],
                                      .channels = channels,
                                      .bias = rows == 1 && is_bare ? nullptr : bias.array().as<float>(),
                                      .rows = rows,
                                      .columns = columns,
                                      .out = out.array().as<float>(),
                                      .out_row = out.array().strides[0],
                                      .out_pixel = out.array().strides[1],
                                      .residual = columns == 1 && is_bare ? nullptr : residual.array().as<float>(),
                                      .residual_row = residual.array().strides[0],
                                      .residual_pixel = residual.array().strides[1],
                                      .low = -2,
                                      .high = 3};
          winograd::transform_output(filter, output);
          output.out = expected.array().as<float>();
          winograd::transform_output_plain(filter, output);
          expect_close(out, expected, 100);
          EXPECT_TRUE(out.guards_hold());
        }
    }
}

// The matrices against the definition: for a line, A^T [(G w) * (B^T d)] is the convolution.
TEST(Winograd, MatricesAreThoseOfConvolution) {
  for (const winograd::Filter& filter : kFilters) {
    const int e = filter.edge(), taps = filter.taps();
    const winograd::Matrix bt = winograd::matrix_of(winograd::Transform::input, filter),
                           at = winograd::output_matrix(filter),
                           g = winograd::matrix_of(winograd::Transform::weight, filter);
    for (int i = 0; i < filter.m; ++i)    // result
      for (int k = 0; k < e; ++k)         // pixel
        for (int t = 0; t < taps; ++t) {  // tap
          double sum = 0;
          for (int p = 0; p < e; ++p) {
            const int weight = std::min(p, filter.edge_weights() - 1);
            sum += at.values[i * e + p] * g.values[weight * taps + t] * bt.values[p * e + k];
          }
          EXPECT_NEAR(sum, k == i * filter.stride + t ? 1 : 0, 1e-14)
              << "F(" << filter.m << "," << taps << ") of stride " << filter.stride << ": " << i << " " << k << " "
              << t;
        }
  }
}

}  // namespace
}  // namespace ingot::kernels
