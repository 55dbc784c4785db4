#pragma once

#include <algorithm>
#include <cmath>
#include <ostream>
#include <random>
#include <vector>

#include "ingot/threads.h"
#include "kernels/conv.h"
#include "kernels/reference.h"

// Convolutions that the tests of its kernels run.
namespace ingot::kernels {

struct Shape {
  int64_t batch, in, height, width, out;
  Pair kernel;
  ConvGeometry geometry;
};

inline std::ostream& operator<<(std::ostream& out, const Shape& s) {
  const auto& g = s.geometry;
  return out << s.batch << "x" << s.in << "x" << s.height << "x" << s.width << " -> " << s.out << " kernel "
             << s.kernel.h << "x" << s.kernel.w << " stride " << g.stride.h << "," << g.stride.w << " dilation "
             << g.dilation.h << "," << g.dilation.w << " pads " << g.padding.top << "," << g.padding.left << ","
             << g.padding.bottom << "," << g.padding.right << " groups " << g.groups;
}

inline const Shape kShapes[] = {
    {2, 3, 17, 13, 8, {3, 3}, {.padding = 1}},
    {1, 3, 29, 31, 64, {7, 7}, {.stride = 2, .padding = 3}},
    {1, 1, 14, 14, 7, {3, 3}, {.padding = 1}},
    {3, 5, 7, 13, 17, {3, 2}, {.padding = {1, 0, 1, 1}}},
    {2, 16, 14, 14, 32, {1, 1}, {}},
    {2, 13, 14, 13, 17, {1, 1}, {}},
    {2, 32, 13, 14, 16, {1, 1}, {.stride = 2}},
    {5, 64, 1, 1, 10, {1, 1}, {}},
    {1, 64, 14, 14, 64, {3, 3}, {.padding = 1}},
    {2, 16, 13, 13, 32, {3, 3}, {.stride = 2, .padding = {0, 0, 1, 1}}},
    {2, 16, 17, 14, 16, {3, 3}, {.dilation = {2, 3}, .padding = {2, 3, 2, 3}}},
    {2, 32, 13, 14, 32, {3, 3}, {.padding = 1, .groups = 32}},
    {1, 21, 14, 14, 21, {5, 5}, {.stride = 2, .padding = 2, .groups = 21}},
    {1, 16, 17, 17, 16, {3, 3}, {.dilation = 2, .padding = 2, .groups = 16}},
    {2, 8, 7, 7, 24, {3, 3}, {.padding = 1, .groups = 8}},
    {2, 6, 13, 7, 9, {3, 3}, {.padding = 1, .groups = 3}},
    {1, 64, 7, 7, 64, {3, 3}, {.padding = 1, .groups = 4}},
    {2, 3, 5, 5, 8, {3, 3}, {.padding = 6}},
    {2, 2, 2, 3, 5, {3, 3}, {.stride = {1, 2}, .padding = {7, 1, 2, 5}}},
    {2, 16, 14, 14, 16, {1, 1}, {.stride = 3}},
    {1, 16, 13, 17, 8, {2, 2}, {.stride = {3, 4}}},
    {1, 3, 32, 32, 24, {16, 16}, {.stride = 16}},
    {1, 4, 1, 17, 6, {1, 5}, {.padding = {0, 2, 0, 2}}},
    {1, 1, 1, 1, 1, {1, 1}, {}},
    {5, 300, 14, 13, 40, {1, 1}, {}},
};

/// Those that Winograd's filtering has.
inline const Shape kThreeByThree[] = {
    {2, 3, 17, 13, 8, {3, 3}, {.padding = 1}},
    {1, 16, 14, 14, 32, {3, 3}, {.padding = 1}},
    {3, 5, 7, 13, 17, {3, 3}, {.padding = {1, 0, 2, 1}}},
    {1, 64, 7, 7, 70, {3, 3}, {.padding = 1}},
    {2, 260, 5, 6, 33, {3, 3}, {}},
    {2, 200, 14, 13, 40, {3, 3}, {.padding = 1}},
    {2, 33, 14, 13, 200, {3, 3}, {.padding = 1}},
    {2, 3, 5, 5, 8, {3, 3}, {.padding = 6}},
    {1, 1, 3, 3, 1, {3, 3}, {}},
    {9, 24, 40, 37, 24, {3, 3}, {.padding = 1}},
};

/// Those that it has along one axis.
inline const Shape kLines[] = {
    {2, 3, 17, 13, 8, {1, 3}, {.padding = {0, 1, 0, 1}}},
    {1, 16, 8, 8, 32, {3, 1}, {.padding = {1, 0, 1, 0}}},
    {3, 5, 7, 13, 17, {1, 3}, {.padding = {1, 0, 2, 1}}},
    {2, 260, 5, 6, 33, {3, 1}, {}},
    {1, 33, 1, 3, 70, {1, 3}, {}},
    {2, 3, 5, 5, 8, {3, 1}, {.padding = 6}},
    {1, 16, 17, 17, 32, {1, 7}, {.padding = {0, 3, 0, 3}}},
    {2, 5, 17, 13, 17, {7, 1}, {.padding = {3, 0, 3, 0}}},
    {2, 160, 14, 13, 40, {1, 7}, {.padding = {1, 2, 0, 4}}},
    {2, 200, 7, 9, 33, {7, 1}, {}},
    {1, 1, 7, 1, 1, {7, 1}, {}},
    {2, 3, 5, 5, 8, {1, 7}, {.padding = 9}},
    {9, 24, 40, 37, 24, {7, 1}, {.padding = {3, 0, 3, 0}}},
};

inline int64_t extent(int64_t size, int64_t pads, int64_t kernel, int64_t stride, int64_t dilation) {
  return (size + pads - dilation * (kernel - 1) - 1) / stride + 1;
}

struct Sizes {
  std::vector<int64_t> x, weight, y;
  explicit Sizes(const Shape& s)
      : x{s.batch, s.in, s.height, s.width},
        weight{s.out, s.in / s.geometry.groups, s.kernel.h, s.kernel.w},
        y{s.batch, s.out,
          extent(s.height, s.geometry.padding.top + s.geometry.padding.bottom, s.kernel.h, s.geometry.stride.h,
                 s.geometry.dilation.h),
          extent(s.width, s.geometry.padding.left + s.geometry.padding.right, s.kernel.w, s.geometry.stride.w,
                 s.geometry.dilation.w)} {}
  double forward_terms() const { return static_cast<double>(weight[1] * weight[2] * weight[3] + 2); }
  double input_terms(const Shape& s) const {
    return static_cast<double>(weight[0] / s.geometry.groups * weight[2] * weight[3]);
  }
  double weight_terms() const { return static_cast<double>(y[0] * y[2] * y[3]); }
};

inline constexpr Activation kActivations[] = {Activation::none,       Activation::relu,        Activation::relu6,
                                              Activation::leaky_relu, Activation::elu,         Activation::sigmoid,
                                              Activation::tanh,       Activation::silu,        Activation::gelu,
                                              Activation::hardswish,  Activation::hardsigmoid, Activation::mish};

/// A small shape whose result has at least one element.
inline Shape random_shape(std::mt19937& random) {
  const auto pick = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random() % static_cast<unsigned>(high - low + 1));
  };
  const auto pair = [&](int64_t low, int64_t high) {
    const int64_t h = pick(low, high);
    return random() % 4 == 0 ? Pair(h, pick(low, high)) : Pair(h);
  };
  Shape s{.batch = pick(1, 3), .kernel = pair(1, 4)};
  ConvGeometry& g = s.geometry;
  g.stride = pair(1, 3), g.dilation = random() % 3 == 0 ? pair(1, 3) : Pair(1);
  g.padding = {pick(0, 3), pick(0, 3), pick(0, 3), pick(0, 3)};
  g.groups = random() % 2 == 0 ? 1 : pick(1, 9);
  s.in = g.groups * pick(1, g.groups == 1 ? 40 : 5), s.out = g.groups * pick(1, g.groups == 1 ? 40 : 5);
  const auto least = [](int64_t kernel, int64_t dilation, int64_t pads) {
    return std::max<int64_t>(1, dilation * (kernel - 1) + 1 - pads);
  };
  s.height = pick(0, 12) + least(s.kernel.h, g.dilation.h, g.padding.top + g.padding.bottom);
  s.width = pick(0, 12) + least(s.kernel.w, g.dilation.w, g.padding.left + g.padding.right);
  return s;
}

/// A convolution with bias and residual, its operands random.
struct ForwardCase {
  ForwardCase(const Shape& shape, Activation activation, Layout x_layout, Layout weight_layout, Layout y_layout)
      : sizes(shape),
        x(std::move(Box(DType::f32, sizes.x, x_layout).randomize(1))),
        weight(std::move(Box(DType::f32, sizes.weight, weight_layout).randomize(2))),
        bias(std::move(Box(DType::f32, {shape.out}).randomize(3))),
        residual(std::move(Box(DType::f32, sizes.y, y_layout).randomize(4))),
        y(DType::f32, sizes.y, y_layout),
        args{.x = x,
             .weight = weight,
             .bias = bias,
             .residual = residual,
             .geometry = shape.geometry,
             .activation = activation,
             .alpha = 0.25f,
             .y = y} {
    if (activation == Activation::hardsigmoid) args.alpha = 1.0 / 6, args.beta = 0.5;
  }
  /// y beside the plain kernel's; `roundings` times as many as that has.
  void expect_plain(double roundings) const {
    const Box expected(DType::f32, sizes.y);
    ConvArgs plain = args;
    plain.y = expected;
    conv2d_reference(plain);
    expect_close(y, expected, roundings * sizes.forward_terms());
  }

  Sizes sizes;
  Box x, weight, bias, residual, y;
  ConvArgs args;
};

/// Of the results, relative to their own root mean square.
inline double relative_error(const Box& got, const Box& want) {
  const auto a = got.values(), b = want.values();
  double error = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) error += (a[i] - b[i]) * (a[i] - b[i]), size += b[i] * b[i];
  return std::sqrt(error / size);
}

/// A convolution's gradients, their operands random.
struct GradientCase {
  GradientCase(const Shape& shape, DType dtype, Layout layout, Layout weight_layout)
      : shape(shape),
        sizes(shape),
        x(std::move(Box(dtype, sizes.x, layout).randomize(1))),
        weight(std::move(Box(dtype, sizes.weight, weight_layout).randomize(2))),
        g(std::move(Box(dtype, sizes.y, layout).randomize(3))),
        dx(dtype, sizes.x, layout),
        dweight(dtype, sizes.weight, weight_layout) {}
  /// run(g, weight, geometry, dx, scratch) beside the plain kernel; `roundings` times as many as that has.
  template <class Size, class Run>
  void check_input(double roundings, const Size& scratch_size, const Run& run) const {
    GuardedScratch scratch(scratch_size(g, weight, shape.geometry, dx));
    run(g, weight, shape.geometry, dx, scratch.data());
    const Box expected(dx.array().dtype, sizes.x);
    conv2d_grad_input_reference(g, weight, shape.geometry, expected);
    expect_close(dx, expected, roundings * sizes.input_terms(shape));
    EXPECT_TRUE(scratch.guard_holds() && dx.guards_hold());
  }
  /// run(x, g, geometry, dweight, scratch) likewise.
  template <class Size, class Run>
  void check_weight(double roundings, const Size& scratch_size, const Run& run) const {
    GuardedScratch scratch(scratch_size(x, g, shape.geometry, dweight));
    run(x, g, shape.geometry, dweight, scratch.data());
    const Box expected(dweight.array().dtype, sizes.weight);
    conv2d_grad_weight_reference(x, g, shape.geometry, expected);
    expect_close(dweight, expected, roundings * sizes.weight_terms());
    EXPECT_TRUE(scratch.guard_holds() && dweight.guards_hold());
  }

  Shape shape;
  Sizes sizes;
  Box x, weight, g, dx, dweight;
};

/// Image n of the batch.
inline Array image_of(const Array& all, int64_t n) {
  Array one = all;
  one.shape[0] = 1;
  one.data = all.as<float>() + n * all.strides[0];
  return one;
}

/// run(args) gives the same bits on any number of threads, and for an image of the batch alone.
template <class Run>
void expect_bits_of_the_image_alone(const Shape& shape, const Run& run) {
  const int threads = num_threads();
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
  const Box single(DType::f32, sizes.y, Layout::channels_last);
  args.x = image_of(x, 2), args.y = image_of(single, 0);
  run(args);
  EXPECT_TRUE(std::equal(args.y.as<float>(), args.y.as<float>() + args.y.numel(), image_of(y, 2).as<float>()));
}

}  // namespace ingot::kernels
