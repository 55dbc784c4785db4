#include <cmath>

#include "kernels/elementwise_kernels.h"

namespace ingot::kernels {
namespace {

template <class T>
T sigmoid(T x) {
  return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
}

/// f'(x); x is the result for relu, sigmoid and tanh.
template <class T>
T slope(Activation activation, T x, T alpha) {
  switch (activation) {
    case Activation::none:
      return 1;
    case Activation::relu:
      return x > 0 ? 1 : 0;
    case Activation::relu6:
      return x > 0 && x < 6 ? 1 : 0;
    case Activation::leaky_relu:
      return x > 0 ? 1 : alpha;
    case Activation::elu:
      return x > 0 ? 1 : alpha * std::exp(x);
    case Activation::sigmoid:
      return x * (1 - x);
    case Activation::tanh:
      return 1 - x * x;
    case Activation::silu:
      return sigmoid(x) * (1 + x * (1 - sigmoid(x)));
    case Activation::gelu: {
      constexpr T kRootHalf = T(0.707106781186547524), kRootTwoPi = T(0.398942280401432678);
      return (1 + std::erf(x * kRootHalf)) / 2 + x * std::exp(x * x / -2) * kRootTwoPi;
    }
    case Activation::hardswish:
      return x > 3 ? 1 : x < -3 ? 0 : (2 * x + 3) / 6;
    case Activation::hardsigmoid:
      return x > -3 && x < 3 ? T(1) / 6 : 0;
    case Activation::mish: {
      const T t = std::tanh((x > 0 ? x : 0) + std::log1p(std::exp(-std::abs(x))));
      return t + x * sigmoid(x) * (1 - t * t);
    }
  }
  return 0;
}

template <Activation kActivation, class T>
void run(const void* const* in, void* out, int64_t n, double alpha) {
  const auto *x = static_cast<const T*>(in[0]), *g = static_cast<const T*>(in[1]);
  for (int64_t i = 0; i < n; ++i) static_cast<T*>(out)[i] = g[i] * slope<T>(kActivation, x[i], static_cast<T>(alpha));
}

template <class T, size_t... I>
MapKernel pick(Activation activation, std::index_sequence<I...>) {
  constexpr MapKernel kTable[] = {run<static_cast<Activation>(I), T>...};
  return kTable[static_cast<size_t>(activation)];
}

}  // namespace

MapKernel plain_gradient(Activation activation, DType dtype) {
  constexpr auto kAll = std::make_index_sequence<static_cast<size_t>(Activation::mish) + 1>();
  if (dtype == DType::f32) return pick<float>(activation, kAll);
  return dtype == DType::f64 ? pick<double>(activation, kAll) : nullptr;
}

}  // namespace ingot::kernels
