#pragma once

#include <algorithm>
#include <cmath>

#include "base/array.h"
#include "ingot/geometry.h"

namespace ingot::kernels {

/// f(x) in the precision of T. NaN stays NaN.
template <class T>
T activate(Activation activation, T x, T alpha, T beta) {
  const auto clip = [](T v, T low, T high) { return v < low ? low : v > high ? high : v; };
  switch (activation) {
    case Activation::none:
      return x;
    case Activation::relu:
      return x < 0 ? T(0) : x;
    case Activation::relu6:
      return clip(x, T(0), T(6));
    case Activation::leaky_relu:
      return x < 0 ? alpha * x : x;
    case Activation::elu:
      return x < 0 ? alpha * std::expm1(x) : x;
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::tanh:
      return std::tanh(x);
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::gelu:
      return x * T(0.5) * (1 + std::erf(x * T(0.70710678118654752440)));
    case Activation::hardswish:
      return x * clip(x / 6 + T(0.5), T(0), T(1));
    case Activation::hardsigmoid:
      return clip(alpha * x + beta, T(0), T(1));
    case Activation::mish:
      return x * std::tanh(std::max(x, T(0)) + std::log1p(std::exp(-std::abs(x))));
  }
  return x;
}

}  // namespace ingot::kernels
