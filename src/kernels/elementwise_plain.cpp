#include <cmath>
#include <type_traits>

#include "kernels/convert.h"
#include "kernels/dispatch.h"
#include "kernels/elementwise_kernels.h"

namespace ingot::kernels {
namespace {

// Integers compute in an unsigned type of their width, where wrapping is defined; bool as 0 and 1.
template <class T>
struct Wrapping {
  using type = std::make_unsigned_t<T>;
};
template <>
struct Wrapping<bool> {
  using type = uint8_t;
};

template <Unary op, class T>
T integer_unary(T x) {
  using U = typename Wrapping<T>::type;
  if constexpr (op == Unary::neg) return static_cast<T>(U(0) - static_cast<U>(x));
  if constexpr (op == Unary::abs) return x < T(0) ? static_cast<T>(U(0) - static_cast<U>(x)) : x;
  if constexpr (op == Unary::sign) return static_cast<T>((x > T(0)) - (x < T(0)));
  if constexpr (op == Unary::square) return static_cast<T>(uint64_t(x) * uint64_t(x));
  if constexpr (op == Unary::relu) return x > T(0) ? x : T(0);
  return x;  // floor, ceil, round
}

template <Unary op, class T>
T floating_unary(T x) {
  if constexpr (op == Unary::neg) return -x;
  if constexpr (op == Unary::abs) return std::abs(x);
  if constexpr (op == Unary::sign) return static_cast<T>((x > 0) - (x < 0));
  if constexpr (op == Unary::square) return x * x;
  if constexpr (op == Unary::sqrt) return std::sqrt(x);
  if constexpr (op == Unary::rsqrt) return 1 / std::sqrt(x);
  if constexpr (op == Unary::reciprocal) return 1 / x;
  if constexpr (op == Unary::exp) return std::exp(x);
  if constexpr (op == Unary::expm1) return std::expm1(x);
  if constexpr (op == Unary::log) return std::log(x);
  if constexpr (op == Unary::log1p) return std::log1p(x);
  if constexpr (op == Unary::floor) return std::floor(x);
  if constexpr (op == Unary::ceil) return std::ceil(x);
  if constexpr (op == Unary::round) return std::nearbyint(x);
  if constexpr (op == Unary::sin) return std::sin(x);
  if constexpr (op == Unary::cos) return std::cos(x);
  if constexpr (op == Unary::relu) return x <= 0 ? 0 : x;
  if constexpr (op == Unary::sigmoid) return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
  if constexpr (op == Unary::tanh) return std::tanh(x);
  if constexpr (op == Unary::erf) return std::erf(x);
  if constexpr (op == Unary::softplus) return (x > 0 ? x : 0) + std::log1p(std::exp(-std::abs(x)));
}

constexpr bool takes_integers(Unary op) {
  return op == Unary::neg || op == Unary::abs || op == Unary::sign || op == Unary::square || op == Unary::relu ||
         op == Unary::floor || op == Unary::ceil || op == Unary::round;
}

template <class T>
T integer_div(T a, T b) {
  using U = typename Wrapping<T>::type;
  if (b == T(0)) return T(0);
  if constexpr (std::is_signed_v<T>)
    if (b == T(-1)) return static_cast<T>(U(0) - static_cast<U>(a));
  return static_cast<T>(a / b);
}

template <Binary op, class T>
auto apply(T a, T b) {
  if constexpr (op == Binary::eq) return a == b;
  if constexpr (op == Binary::ne) return a != b;
  if constexpr (op == Binary::lt) return a < b;
  if constexpr (op == Binary::le) return a <= b;
  if constexpr (op == Binary::gt) return a > b;
  if constexpr (op == Binary::ge) return a >= b;
  if constexpr (op == Binary::maximum) return a > b || a != a ? a : b;
  if constexpr (op == Binary::minimum) return a < b || a != a ? a : b;
  if constexpr (std::is_floating_point_v<T>) {
    if constexpr (op == Binary::add) return a + b;
    if constexpr (op == Binary::sub) return a - b;
    if constexpr (op == Binary::mul) return a * b;
    if constexpr (op == Binary::div) return a / b;
    if constexpr (op == Binary::pow) return std::pow(a, b);
  } else {
    if constexpr (op == Binary::add) return static_cast<T>(uint64_t(a) + uint64_t(b));
    if constexpr (op == Binary::sub) return static_cast<T>(uint64_t(a) - uint64_t(b));
    if constexpr (op == Binary::mul) return static_cast<T>(uint64_t(a) * uint64_t(b));
    if constexpr (op == Binary::div) return integer_div(a, b);
  }
}

template <class T>
T activated(Activation activation, T x, T alpha) {
  const auto clamp6 = [](T v) { return v <= 0 ? T(0) : v > 6 ? T(6) : v; };
  switch (activation) {
    case Activation::none:
      return x;
    case Activation::relu:
      return floating_unary<Unary::relu>(x);
    case Activation::relu6:
      return clamp6(x);
    case Activation::leaky_relu:
      return x > 0 ? x : alpha * x;
    case Activation::elu:
      return x > 0 ? x : alpha * std::expm1(x);
    case Activation::sigmoid:
      return floating_unary<Unary::sigmoid>(x);
    case Activation::tanh:
      return std::tanh(x);
    case Activation::silu:
      return x * floating_unary<Unary::sigmoid>(x);
    case Activation::gelu:
      return x / 2 * (1 + std::erf(x * T(0.707106781186547524)));
    case Activation::hardswish:
      return x * (clamp6(x + 3) / 6);
    case Activation::hardsigmoid:
      return clamp6(x + 3) / 6;
    case Activation::mish:
      return x * std::tanh(floating_unary<Unary::softplus>(x));
  }
  return x;
}

template <Unary op, class T>
void run_unary(const void* const* in, void* out, int64_t n, double) {
  const auto* x = static_cast<const T*>(in[0]);
  auto* y = static_cast<T*>(out);
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (std::is_floating_point_v<T>)
      y[i] = floating_unary<op>(x[i]);
    else
      y[i] = integer_unary<op>(x[i]);
  }
}

template <Binary op, class T>
void run_binary(const void* const* in, void* out, int64_t n, double) {
  const auto *a = static_cast<const T*>(in[0]), *b = static_cast<const T*>(in[1]);
  auto* y = static_cast<decltype(apply<op>(T(), T()))*>(out);
  for (int64_t i = 0; i < n; ++i) y[i] = apply<op>(a[i], b[i]);
}

template <Activation activation, class T>
void run_activation(const void* const* in, void* out, int64_t n, double alpha) {
  const auto* x = static_cast<const T*>(in[0]);
  auto* y = static_cast<T*>(out);
  for (int64_t i = 0; i < n; ++i) y[i] = activated<T>(activation, x[i], static_cast<T>(alpha));
}

template <Unary op>
MapKernel typed(DType dtype) {
  return visit_dtype(dtype, []<class T>(std::type_identity<T>) -> MapKernel {
    if constexpr (std::is_floating_point_v<T> || (std::is_integral_v<T> && takes_integers(op)))
      return run_unary<op, T>;
    else
      return nullptr;
  });
}

template <Binary op>
MapKernel typed(DType dtype) {
  return visit_dtype(dtype, []<class T>(std::type_identity<T>) -> MapKernel {
    if constexpr (std::is_floating_point_v<T> || (std::is_integral_v<T> && op != Binary::pow))
      return run_binary<op, T>;
    else
      return nullptr;
  });
}

template <Activation activation>
MapKernel typed(DType dtype) {
  if (dtype == DType::f32) return run_activation<activation, float>;
  return dtype == DType::f64 ? run_activation<activation, double> : nullptr;
}

// The kernel of the run-time value `op`, one of the first sizeof...(I) of its enumeration.
template <class Op, size_t... I>
MapKernel pick(Op op, DType dtype, std::index_sequence<I...>) {
  constexpr MapKernel (*kTable[])(DType) = {&typed<static_cast<Op>(I)>...};
  return kTable[static_cast<size_t>(op)](dtype);
}

}  // namespace

MapKernel plain_kernel(Unary op, DType dtype) {
  return pick(op, dtype, std::make_index_sequence<static_cast<size_t>(Unary::softplus) + 1>());
}
MapKernel plain_kernel(Binary op, DType dtype) {
  return pick(op, dtype, std::make_index_sequence<static_cast<size_t>(Binary::ge) + 1>());
}
MapKernel plain_kernel(Activation activation, DType dtype) {
  return pick(activation, dtype, std::make_index_sequence<static_cast<size_t>(Activation::mish) + 1>());
}

}  // namespace ingot::kernels
