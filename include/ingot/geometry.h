#pragma once

#include <cstdint>

namespace ingot {

/// Height and width: of a kernel, a stride, a dilation.
struct Pair {
  int64_t h = 1, w = 1;
  constexpr Pair() = default;
  constexpr Pair(int64_t both) : h(both), w(both) {}
  constexpr Pair(int64_t height, int64_t width) : h(height), w(width) {}
  bool operator==(const Pair&) const = default;
};

/// Depth, height and width.
struct Triple {
  int64_t d = 1, h = 1, w = 1;
  constexpr Triple() = default;
  constexpr Triple(int64_t all) : d(all), h(all), w(all) {}
  constexpr Triple(int64_t depth, int64_t height, int64_t width) : d(depth), h(height), w(width) {}
  bool operator==(const Triple&) const = default;
};

/// Padding of the two sides of height and width.
struct Pads {
  int64_t top = 0, left = 0, bottom = 0, right = 0;
  constexpr Pads() = default;
  constexpr Pads(int64_t all) : top(all), left(all), bottom(all), right(all) {}
  constexpr Pads(int64_t t, int64_t l, int64_t b, int64_t r) : top(t), left(l), bottom(b), right(r) {}
  bool operator==(const Pads&) const = default;
};

/// What a convolution's attributes say besides its shapes.
struct ConvGeometry {
  Pair stride{}, dilation{};
  Pads padding{};
  int64_t groups = 1;
  bool operator==(const ConvGeometry&) const = default;
};

/// What a pooling window's attributes say.
struct PoolGeometry {
  Pair kernel{}, stride{}, dilation{};
  Pads padding{};
};

/// y = f(x), with the parameters that some need (leaky_relu's slope, elu's alpha, clip's bounds).
enum class Activation : uint8_t {
  none,
  relu,
  relu6,
  leaky_relu,
  elu,
  sigmoid,
  tanh,
  silu,
  gelu,
  hardswish,
  hardsigmoid,
  mish
};

}  // namespace ingot
