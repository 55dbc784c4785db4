#include "kernels/conv_onednn.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "base/isa.h"
#include "base/parallel.h"
#include "cases.h"
#include "kernels/conv_activation.h"
#include "kernels/conv_cases.h"

namespace ingot::kernels {
namespace {

void run(const ConvArgs& args) {
  GuardedScratch scratch(conv_onednn_scratch(args));
  conv_onednn(args, scratch.data());
  EXPECT_TRUE(scratch.guard_holds());
}

void check_forward(const Shape& shape, DType dtype, Layout x_layout, Layout weight_layout, Layout y_layout) {
  const Sizes sizes(shape);
  const Box x = std::move(Box(dtype, sizes.x, x_layout).randomize(1));
  const Box weight = std::move(Box(dtype, sizes.weight, weight_layout).randomize(2));
  const Box bias = std::move(Box(dtype, {shape.out}).randomize(3));
  const Box residual = std::move(Box(dtype, sizes.y, y_layout).randomize(4));
  const Box y(dtype, sizes.y, y_layout), expected(dtype, sizes.y);
  ConvArgs args{.x = x,
                .weight = weight,
                .bias = bias,
                .residual = residual,
                .geometry = shape.geometry,
                .activation = Activation::leaky_relu,
                .alpha = 0.25f,
                .y = y};
  run(args);
  args.y = expected;
  conv2d_reference(args);
  expect_close(y, expected, sizes.forward_terms());
}

void check_grads(const Shape& shape, DType dtype, Layout layout, Layout weight_layout) {
  const GradientCase c(shape, dtype, layout, weight_layout);
  c.check_input(1, conv_onednn_grad_input_scratch, conv_onednn_grad_input);
  c.check_weight(1, conv_onednn_grad_weight_scratch, conv_onednn_grad_weight);
}

TEST(ConvOneDnn, MatchesThePlainKernel) {
  for (const Shape& shape : kShapes)
    for (const DType dtype : {DType::f32, DType::bf16, DType::f64})
      for (const Layout layout : {Layout::channels_last, Layout::row_major, Layout::channel_slice}) {
        SCOPED_TRACE(testing::Message() << shape << " " << name_of(dtype) << " " << name_of(layout));
        check_forward(shape, dtype, layout, Layout::channels_last, layout);
      }
}

TEST(ConvOneDnn, TakesWeightsOfAnyStrides) {
  for (const Shape& shape : kShapes)
    for (const DType dtype : {DType::f32, DType::bf16})
      for (const Layout layout : {Layout::row_major, Layout::channel_slice, Layout::transposed}) {
        SCOPED_TRACE(testing::Message() << shape << " " << name_of(dtype) << " " << name_of(layout));
        check_forward(shape, dtype, Layout::channels_last, layout, Layout::channels_last);
      }
}

TEST(ConvOneDnn, GradientsMatchThePlainKernels) {
  for (const Shape& shape : kShapes)
    for (const DType dtype : {DType::f32, DType::bf16, DType::f64})
      for (const Layout layout : {Layout::channels_last, Layout::row_major, Layout::channel_slice}) {
        SCOPED_TRACE(testing::Message() << shape << " " << name_of(dtype) << " " << name_of(layout));
        check_grads(shape, dtype, layout, layout);
      }
}

TEST(ConvOneDnn, RandomShapesMatchThePlainKernels) {
  std::mt19937 random(1);
  constexpr Layout kLayouts[] = {Layout::channels_last, Layout::row_major, Layout::channel_slice, Layout::transposed};
  const auto layout = [&] { return kLayouts[random() % std::size(kLayouts)]; };
  for (int i = 0; i < test::cases(60); ++i) {
    const Shape shape = random_shape(random);
    const DType dtype = random() % 4 == 0 ? DType::bf16 : DType::f32;
    SCOPED_TRACE(testing::Message() << "case " << i << ": " << shape << " " << name_of(dtype));
    check_forward(shape, dtype, layout(), layout(), layout());
    check_grads(shape, dtype, layout(), layout());
    if (HasFailure()) return;
  }
}

TEST(ConvOneDnn, TapsThatMeetNoDataHaveNoGradient) {
  const Shape shape{
      .batch = 1, .in = 11, .height = 7, .width = 2, .out = 22, .kernel = 4, .geometry = {.stride = 3, .padding = 2}};
  for (const DType dtype : {DType::f32, DType::bf16})
    check_grads(shape, dtype, Layout::channels_last, Layout::channels_last);
}

TEST(ConvOneDnn, EveryActivationIsFusedRight) {
  for (const Activation activation : kActivations)
    for (const DType dtype : {DType::f32, DType::bf16})
      for (const Shape& shape : {kShapes[0], kShapes[4], kShapes[11]}) {
        SCOPED_TRACE(testing::Message() << static_cast<int>(activation) << " " << name_of(dtype) << " " << shape);
        const Sizes sizes(shape);
        const Box x = std::move(Box(dtype, sizes.x, Layout::channels_last).randomize(1));
        const Box weight = std::move(Box(dtype, sizes.weight, Layout::channels_last).randomize(2));
        const Box y(dtype, sizes.y, Layout::channels_last), expected(dtype, sizes.y);
        ConvArgs args{.x = x,
                      .weight = weight,
                      .geometry = shape.geometry,
                      .activation = activation,
                      .alpha = 0.3f,
                      .beta = 0.4f,
                      .y = y};
        run(args);
        args.y = expected;
        conv2d_reference(args);
        expect_close(y, expected, 4 * sizes.forward_terms());
      }
}

// OpenVINO #6193: a sum in place on a concat's slice. The residual is y's own memory.
TEST(ConvOneDnn, ResidualMayBeTheOutput) {
  for (const Layout layout : {Layout::channels_last, Layout::channel_slice, Layout::row_major})
    for (const Shape& shape : kShapes) {
      SCOPED_TRACE(testing::Message() << shape << " " << name_of(layout));
      const Sizes sizes(shape);
      const Box x = std::move(Box(DType::f32, sizes.x, Layout::channels_last).randomize(1));
      const Box weight = std::move(Box(DType::f32, sizes.weight, Layout::channels_last).randomize(2));
      const Box y = std::move(Box(DType::f32, sizes.y, layout).randomize(3));
      const Box residual = std::move(Box(DType::f32, sizes.y).randomize(3));
      const Box expected(DType::f32, sizes.y);
      run({.x = x,
           .weight = weight,
           .residual = y,
           .geometry = shape.geometry,
           .activation = Activation::relu,
           .y = y});
      conv2d_reference({.x = x,
                        .weight = weight,
                        .residual = residual,
                        .geometry = shape.geometry,
                        .activation = Activation::relu,
                        .y = expected});
      expect_close(y, expected, sizes.forward_terms());
    }
}

// oneDNN 2.6 crashed here: a residual, and results that are computed from padding alone.
TEST(ConvOneDnn, ResidualWhereWindowsArePadding) {
  for (const Shape& shape : {Shape{2, 32, 6, 7, 33, {1, 1}, {.stride = 3, .padding = {0, 1, 3, 1}}},
                             Shape{1, 16, 4, 4, 16, {3, 3}, {.padding = {0, 0, 4, 0}}},
                             Shape{1, 16, 4, 4, 16, {3, 3}, {.padding = {1, 4, 1, 1}}}})
    for (const DType dtype : {DType::f32, DType::bf16}) {
      SCOPED_TRACE(testing::Message() << shape << " " << name_of(dtype));
      check_forward(shape, dtype, Layout::channels_last, Layout::channels_last, Layout::channels_last);
    }
}

// TensorRT #4854: a residual that is a slice of a concat, read as if it were dense.
TEST(ConvOneDnn, ResidualMayBeASlice) {
  const Shape& shape = kShapes[0];
  const Sizes sizes(shape);
  const Box x = std::move(Box(DType::f32, sizes.x, Layout::channels_last).randomize(1));
  const Box weight = std::move(Box(DType::f32, sizes.weight).randomize(2));
  const Box residual = std::move(Box(DType::f32, sizes.y, Layout::channel_slice).randomize(3));
  const Box y(DType::f32, sizes.y, Layout::channels_last), expected(DType::f32, sizes.y);
  ConvArgs args{.x = x, .weight = weight, .residual = residual, .geometry = shape.geometry, .y = y};
  run(args);
  args.y = expected;
  conv2d_reference(args);
  expect_close(y, expected, sizes.forward_terms());
}

TEST(ConvOneDnn, CountsStridedCopiesOnly) {
  const Shape& shape = kShapes[8];
  const Sizes sizes(shape);
  const Box weight = std::move(Box(DType::f32, sizes.weight).randomize(2));
  const auto copies = [&](Layout x_layout, Layout y_layout) {
    const Box x = std::move(Box(DType::f32, sizes.x, x_layout).randomize(1));
    const Box y(DType::f32, sizes.y, y_layout);
    const int64_t before = strided_copies();
    run({.x = x, .weight = weight, .geometry = shape.geometry, .y = y});
    return strided_copies() - before;
  };
  EXPECT_EQ(copies(Layout::channels_last, Layout::channels_last), 0);
  EXPECT_EQ(copies(Layout::channel_slice, Layout::channels_last), 1);
  EXPECT_EQ(copies(Layout::channel_slice, Layout::channel_slice), 2);
}

TEST(ConvOneDnn, EmptyBatchIsNoWork) {
  const Shape shape{0, 4, 7, 7, 6, {3, 3}, {.padding = 1}};
  const Sizes sizes(shape);
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Box x(dtype, sizes.x), y(dtype, sizes.y), weight = std::move(Box(dtype, sizes.weight).randomize(1));
    const Box dw = std::move(Box(dtype, sizes.weight, Layout::channel_slice).randomize(2));
    run({.x = x, .weight = weight, .geometry = shape.geometry, .y = y});
    conv_onednn_grad_input(y, weight, shape.geometry, x, nullptr);
    EXPECT_EQ(conv_onednn_grad_weight_scratch(x, y, shape.geometry, dw), 0u);
    conv_onednn_grad_weight(x, y, shape.geometry, dw, nullptr);
    EXPECT_EQ(dw.values(), std::vector<double>(dw.values().size(), 0.0));
    EXPECT_TRUE(dw.guards_hold());
  }
}

TEST(ConvOneDnn, PackedWeightsServeEveryBatchAndThreadCount) {
  const int threads = num_threads();
  for (const DType dtype : {DType::f32, DType::bf16})
    for (Shape shape : kShapes) {
      std::vector<std::byte> packed;
      for (const auto& [batch, count] : {std::pair{1, 1}, {2, 2}, {8, 3}}) {
        SCOPED_TRACE(testing::Message() << shape << " " << name_of(dtype) << " threads " << count);
        set_num_threads(count);
        shape.batch = batch;
        const Sizes sizes(shape);
        const Box x = std::move(Box(dtype, sizes.x, Layout::channels_last).randomize(1));
        const Box weight = std::move(Box(dtype, sizes.weight).randomize(2));
        const Box y(dtype, sizes.y, Layout::channels_last), expected(dtype, sizes.y);
        ConvArgs args{.x = x, .weight = weight, .geometry = shape.geometry, .y = y};
        if (packed.empty()) {
          packed.resize(conv_onednn_packed_bytes(args));
          conv_onednn_pack(args, packed.data());
        }
        const auto before = packed;
        args.weight.data = nullptr;
        GuardedScratch scratch(conv_onednn_packed_scratch(args, packed.data()));
        conv_onednn_packed(args, packed.data(), scratch.data());
        EXPECT_TRUE(scratch.guard_holds());
        EXPECT_EQ(before, packed) << "a run wrote into the packed weights";
        args.weight = weight;
        args.y = expected;
        conv2d_reference(args);
        expect_close(y, expected, sizes.forward_terms());
      }
    }
  set_num_threads(threads);
}

TEST(ConvOneDnn, ForeignPackedDataIsRefused) {
  const Sizes sizes(kShapes[0]);
  const Box x(DType::f32, sizes.x), weight(DType::f32, sizes.weight), y(DType::f32, sizes.y);
  const ConvArgs args{.x = x, .weight = weight, .geometry = kShapes[0].geometry, .y = y};
  std::vector<std::byte> packed(conv_onednn_packed_bytes(args), std::byte{7});
  EXPECT_THROW(conv_onednn_packed(args, packed.data(), nullptr), Error);
}

// The shapes of common networks at batch 1 and 8: none may fall to a reference implementation of oneDNN or to ours.
TEST(ConvOneDnn, UsualShapesRunFastImplementations) {
  const Shape usual[] = {
      {1, 3, 224, 224, 64, {7, 7}, {.stride = 2, .padding = 3}},
      {1, 64, 56, 56, 64, {3, 3}, {.padding = 1}},
      {1, 64, 56, 56, 256, {1, 1}, {}},
      {1, 128, 56, 56, 128, {3, 3}, {.stride = 2, .padding = 1}},
      {1, 256, 56, 56, 512, {1, 1}, {.stride = 2}},
      {1, 512, 7, 7, 512, {3, 3}, {.padding = 1}},
      {1, 96, 56, 56, 96, {3, 3}, {.padding = 1, .groups = 96}},
      {1, 144, 56, 56, 144, {5, 5}, {.stride = 2, .padding = 2, .groups = 144}},
      {1, 128, 56, 56, 128, {3, 3}, {.padding = 1, .groups = 32}},
      {1, 64, 28, 28, 64, {3, 3}, {.dilation = 2, .padding = 2}},
      {1, 1, 28, 28, 32, {3, 3}, {.padding = 1}},
      {1, 3, 224, 224, 192, {16, 16}, {.stride = 16}},
      {1, 3, 224, 224, 32, {3, 3}, {.stride = 2, .padding = {0, 0, 1, 1}}},
  };
  const auto is_fast = [](const std::string& name) {
    return name != "plain" && !name.starts_with("ref") && name.find("gemm:ref") == std::string::npos;
  };
  for (Shape shape : usual)
    for (const DType dtype : {DType::f32, DType::bf16})
      for (const int64_t batch : {1, 8}) {
        shape.batch = batch;
        SCOPED_TRACE(testing::Message() << shape << " " << name_of(dtype));
        const Sizes sizes(shape);
        const Box weight(dtype, sizes.weight);
        const Box x(dtype, sizes.x, Layout::channel_slice), y(dtype, sizes.y, Layout::channels_last);
        const ConvArgs args{.x = x,
                            .weight = weight,
                            .residual = y,
                            .geometry = shape.geometry,
                            .activation = Activation::silu,
                            .y = y};
        EXPECT_PRED1(is_fast, conv_onednn_implementation(args));
        EXPECT_PRED1(is_fast, conv_onednn_grad_input_implementation(y, weight, shape.geometry, x));
        EXPECT_PRED1(is_fast, conv_onednn_grad_weight_implementation(x, y, shape.geometry, weight));
      }
}

TEST(ConvOneDnn, ForwardAndInputGradientHaveTheSameBitsForAnyThreadCount) {
  const int threads = num_threads();
  for (const Shape& shape : kShapes)
    for (const DType dtype : {DType::f32, DType::bf16}) {
      SCOPED_TRACE(testing::Message() << shape << " " << name_of(dtype));
      const Sizes sizes(shape);
      const Box x = std::move(Box(dtype, sizes.x, Layout::channels_last).randomize(1));
      const Box weight = std::move(Box(dtype, sizes.weight, Layout::channels_last).randomize(2));
      const Box g = std::move(Box(dtype, sizes.y, Layout::channels_last).randomize(3));
      std::vector<std::vector<double>> results;
      for (const int count : {1, 2, 3}) {
        set_num_threads(count);
        const Box y(dtype, sizes.y, Layout::channels_last), dx(dtype, sizes.x, Layout::channels_last);
        const ConvArgs args{.x = x, .weight = weight, .geometry = shape.geometry, .y = y};
        run(args);
        GuardedScratch scratch(conv_onednn_grad_input_scratch(g, weight, shape.geometry, dx));
        conv_onednn_grad_input(g, weight, shape.geometry, dx, scratch.data());
        results.emplace_back();
        const auto keep = [&](const Box& box, const std::string& implementation) {
          if (implementation.find("gemm") != std::string::npos) return;  // may split its sums
          const auto values = box.values();
          results.back().insert(results.back().end(), values.begin(), values.end());
        };
        keep(y, conv_onednn_implementation(args));
        keep(dx, conv_onednn_grad_input_implementation(g, weight, shape.geometry, dx));
      }
      EXPECT_EQ(results[0], results[1]);
      EXPECT_EQ(results[0], results[2]);
    }
  set_num_threads(threads);
}

// From a thread that never set OpenMP's own thread count, and from inside a parallel loop.
TEST(ConvOneDnn, RunsOnAnyThread) {
  const Shape& shape = kShapes[8];
  const Sizes sizes(shape);
  const Box x = std::move(Box(DType::f32, sizes.x, Layout::channels_last).randomize(1));
  const Box weight = std::move(Box(DType::f32, sizes.weight).randomize(2));
  const Box expected(DType::f32, sizes.y);
  conv2d_reference({.x = x, .weight = weight, .geometry = shape.geometry, .y = expected});
  constexpr int kRuns = 8;
  std::vector<Box> results;
  for (int i = 0; i < kRuns; ++i) results.emplace_back(DType::f32, sizes.y, Layout::channels_last);
  const auto one = [&](int64_t i) { run({.x = x, .weight = weight, .geometry = shape.geometry, .y = results[i]}); };
  parallel_parts(kRuns / 2, one);
  std::vector<std::thread> threads;
  for (int i = kRuns / 2; i < kRuns; ++i) threads.emplace_back(one, i);
  for (auto& thread : threads) thread.join();
  for (const Box& result : results) expect_close(result, expected, sizes.forward_terms());
}

}  // namespace
}  // namespace ingot::kernels
