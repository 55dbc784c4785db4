#include "kernels/conv_gemm.h"

#include <array>
#include <deque>

#include <gmock/gmock.h>

#include "cases.h"
#include "error_of.h"
#include "kernels/conv_cases.h"
#include "kernels/gemm.h"

namespace ingot::kernels {
namespace {

using testing::HasSubstr;

/// Packs, with guard bytes around the packed weights and the scratch, and runs.
void run(const ConvArgs& args) {
  ASSERT_TRUE(conv_gemm_supports(args));
  GuardedScratch packed(conv_gemm_packed_bytes(args));
  GuardedScratch scratch(conv_gemm_scratch(args));
  conv_gemm_pack(args, packed.data());
  conv_gemm(args, packed.data(), scratch.data());
  EXPECT_TRUE(packed.guard_holds());
  EXPECT_TRUE(scratch.guard_holds());
}

void check(const Shape& shape, Activation activation, Layout x_layout, Layout weight_layout, Layout y_layout) {
  const ForwardCase c(shape, activation, x_layout, weight_layout, y_layout);
  run(c.args);
  c.expect_plain(4);
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
  for (const Shape& shape : {Shape{5, 24, 13, 14, 40, {3, 3}, {.padding = 1}}, Shape{5, 600, 7, 7, 33, {1, 1}, {}},
                             Shape{5, 3, 33, 29, 17, {5, 5}, {.stride = 2, .padding = 2}}}) {
    SCOPED_TRACE(testing::Message() << shape);
    expect_bits_of_the_image_alone(shape, run);
  }
}

/// Siblings of random numbers of outputs, the first by chance of none, activations and layouts of y; the second has a
/// bias and a residual.
void check_siblings(Shape shape, size_t count, Layout x_layout, std::mt19937& random) {
  const Box x = std::move(Box(DType::f32, Sizes(shape).x, x_layout).randomize(1));
  std::deque<Box> boxes;
  std::vector<ConvArgs> together, alone;
  std::vector<std::pair<const Box*, const Box*>> results;
  const auto box = [&](const std::vector<int64_t>& sizes, Layout layout) -> const Box& {
    return boxes.emplace_back(std::move(Box(DType::f32, sizes, layout).randomize(static_cast<unsigned>(random()))));
  };
  for (size_t i = 0; i < count; ++i) {
    shape.out = i == 0 && random() % 4 == 0 ? 0 : 1 + static_cast<int64_t>(random() % 40);
    const Sizes sizes(shape);
    const Layout layout = random() % 2 == 0 ? Layout::channels_last : Layout::channel_slice;
    ConvArgs args{.x = x,
                  .weight = box(sizes.weight, Layout::row_major),
                  .geometry = shape.geometry,
                  .activation = kActivations[random() % std::size(kActivations)],
                  .alpha = 0.2,
                  .beta = 0.5};
    if (args.activation == Activation::hardsigmoid) args.alpha = 1.0 / 6;
    if (i == 1) args.bias = box({shape.out}, Layout::row_major), args.residual = box(sizes.y, layout);
    const Box &a = box(sizes.y, layout), &b = box(sizes.y, layout);
    args.y = a, alone.push_back(args);
    args.y = b, together.push_back(args);
    results.emplace_back(&a, &b);
  }
  ASSERT_TRUE(conv_gemm_supports_siblings(together));
  std::vector<GuardedScratch> packed;
  std::vector<const void*> weights;
  for (size_t i = 0; i < count; ++i) {
    conv_gemm_pack(together[i], packed.emplace_back(conv_gemm_packed_bytes(together[i])).data());
    weights.push_back(packed.back().data());
    run(alone[i]);
  }
  GuardedScratch scratch(conv_gemm_siblings_scratch(together));
  conv_gemm_siblings(together, weights, scratch.data());
  EXPECT_TRUE(scratch.guard_holds());
  for (const Box& b : boxes) EXPECT_TRUE(b.guards_hold());
  for (const auto& [a, b] : results) EXPECT_EQ(a->values(), b->values());
}

TEST(ConvGemm, SiblingsHaveTheBitsOfEachAlone) {
  std::mt19937 random(3);
  for (const Shape& shape : kShapes)
    for (const Layout layout : {Layout::channels_last, Layout::channel_slice}) {
      SCOPED_TRACE(testing::Message() << shape << " " << name_of(layout));
      Shape one = shape;
      one.geometry.groups = 1;
      check_siblings(one, 2 + random() % 3, layout, random);
      if (HasFailure()) return;
    }
}

TEST(ConvGemm, SiblingsShareAllButTheirOutputs) {
  const Shape shape{2, 16, 7, 7, 8, {1, 1}, {}};
  const Sizes sizes(shape);
  const Box x(DType::f32, sizes.x, Layout::channels_last), other(DType::f32, sizes.x, Layout::channels_last);
  const Box weight(DType::f32, sizes.weight), larger(DType::f32, {8, 16, 3, 3}),
      y(DType::f32, sizes.y, Layout::channels_last);
  const ConvArgs one{.x = x, .weight = weight, .y = y};
  ConvArgs foreign = one, strided = one, wide = one;
  foreign.x = other, strided.geometry.stride = 2, wide.weight = larger;
  EXPECT_TRUE(conv_gemm_supports_siblings(std::array{one, one}));
  EXPECT_FALSE(conv_gemm_supports_siblings(std::array{one, foreign}));
  EXPECT_FALSE(conv_gemm_supports_siblings(std::array{one, strided}));
  EXPECT_FALSE(conv_gemm_supports_siblings(std::array{one, wide}));
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

TEST(ConvGemm, PackedWeightsComeBack) {
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(testing::Message() << shape);
    const Sizes sizes(shape);
    const Box x(DType::f32, sizes.x, Layout::channels_last), y(DType::f32, sizes.y, Layout::channels_last);
    const Box weight = std::move(Box(DType::f32, sizes.weight, Layout::transposed).randomize(2));
    const ConvArgs args{.x = x, .weight = weight, .geometry = shape.geometry, .y = y};
    GuardedScratch packed(conv_gemm_packed_bytes(args));
    conv_gemm_pack(args, packed.data());
    const std::span bytes(static_cast<const std::byte*>(packed.data()), conv_gemm_packed_bytes(args));
    check_conv_gemm_packed(weight, shape.geometry.groups, bytes, conv_gemm_packed_format());
    const Box back(DType::f32, sizes.weight);
    conv_gemm_unpack(packed.data(), shape.geometry.groups, back);
    EXPECT_EQ(back.values(), weight.values());
    EXPECT_TRUE(back.guards_hold());
  }
}

TEST(ConvGemm, RefusesForeignPackedWeights) {
  const Shape& shape = kShapes[4];
  const Sizes sizes(shape);
  const Box x(DType::f32, sizes.x, Layout::channels_last), y(DType::f32, sizes.y, Layout::channels_last);
  const Box weight(DType::f32, sizes.weight);
  const ConvArgs args{.x = x, .weight = weight, .geometry = shape.geometry, .y = y};
  std::vector<std::byte> packed(conv_gemm_packed_bytes(args));
  conv_gemm_pack(args, packed.data());
  const std::string form = conv_gemm_packed_format();
  const auto check = [&](std::span<const std::byte> bytes, std::string_view name) {
    return error_of([&] { check_conv_gemm_packed(weight, 1, bytes, name); });
  };
  EXPECT_EQ(check(packed, form), "");
  EXPECT_THAT(check(packed, "gemm:f32:5"), HasSubstr("not 'gemm:f32:5'"));
  EXPECT_THAT(check(std::span(packed).first(63), form), HasSubstr("no header"));
  EXPECT_THAT(check(std::span(packed).first(packed.size() - 4), form), HasSubstr("takes"));
  packed[12] = std::byte{77};  // the width
  EXPECT_THAT(check(packed, form), HasSubstr("header"));
  packed[12] = std::byte{3};
  EXPECT_THAT(error_of([&] { conv_gemm(args, packed.data(), nullptr); }), HasSubstr("another CPU tier"));
}

TEST(ConvGemm, EmptyBatchIsNoWork) {
  const Shape shape{0, 4, 7, 7, 6, {3, 3}, {.padding = 1}};
  const Sizes sizes(shape);
  const Box x(DType::f32, sizes.x, Layout::channels_last), y(DType::f32, sizes.y, Layout::channels_last);
  const Box weight = std::move(Box(DType::f32, sizes.weight).randomize(2));
  run({.x = x, .weight = weight, .geometry = shape.geometry, .y = y});
}

// As a linear layer of no rows is.
TEST(ConvGemm, NoPixelsAreNoWork) {
  const Box x(DType::f32, {1, 4, 1, 0}, Layout::channels_last), y(DType::f32, {1, 6, 1, 0}, Layout::channels_last);
  const Box weight = std::move(Box(DType::f32, {6, 4, 1, 1}).randomize(2));
  run({.x = x, .weight = weight, .y = y});
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
      gemm::strip_kernel(rows)(slice);
    }
    expect_close(y, expected, static_cast<double>(taps * depth + 2));
    EXPECT_TRUE(y.guards_hold());
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace ingot::kernels
