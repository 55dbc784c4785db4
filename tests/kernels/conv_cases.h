#pragma once

#include <algorithm>
#include <ostream>
#include <random>
#include <vector>

#include "ingot/geometry.h"
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

}  // namespace ingot::kernels
