#include <algorithm>
#include <cmath>

#include "ops/attrs.h"
#include "ops/defs.h"
#include "ops/op_row.h"

namespace ingot::test {
namespace {

using Unary = Tensor (*)(const Tensor&);
using Scalar = double (*)(double);

OpRow unary(std::string name, Unary run, Scalar reference, Input::Kind kind = Input::any,
            Gradient gradient = Gradient::twice) {
  return {.name = std::move(name),
          .inputs = {Input({2, 3, 5, 7}, kind)},
          .run = [run](const Tensors& in) { return Tensors{run(in[0])}; },
          .reference = [reference](const std::vector<Plain>& in) { return std::vector{map(in[0], reference)}; },
          .gradient = gradient};
}

using Binary = Tensor (*)(const Tensor&, const Tensor&);
using Scalars = double (*)(double, double);

OpRow binary(std::string name, Binary run, Scalars reference, Input a, Input b, Gradient gradient = Gradient::twice) {
  return {.name = std::move(name),
          .inputs = {std::move(a), std::move(b)},
          .run = [run](const Tensors& in) { return Tensors{run(in[0], in[1])}; },
          .reference = [reference](const std::vector<Plain>& in) { return std::vector{zip(in[0], in[1], reference)}; },
          .gradient = gradient};
}

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }
double softplus_of(double x) { return std::log1p(std::exp(x)); }

}  // namespace

std::vector<OpRow> elementwise_rows() {
  const Input wide{2, 3, 5, 7}, channel{3, 1, 1}, row{7};
  const Input positive({2, 3, 5, 7}, Input::positive);
  std::vector<OpRow> rows{
      binary(
          "add", add, [](double a, double b) { return a + b; }, wide, wide),
      binary(
          "add_broadcast", add, [](double a, double b) { return a + b; }, wide, channel),
      binary(
          "sub", sub, [](double a, double b) { return a - b; }, wide, row),
      binary(
          "sub_from_smaller", sub, [](double a, double b) { return a - b; }, row, wide),
      binary(
          "mul", mul, [](double a, double b) { return a * b; }, wide, channel),
      binary(
          "div", div, [](double a, double b) { return a / b; }, wide, positive),
      binary(
          "pow", pow, [](double a, double b) { return std::pow(a, b); }, positive, wide),
      binary(
          "maximum", maximum, [](double a, double b) { return std::max(a, b); }, wide, channel),
      binary(
          "minimum", minimum, [](double a, double b) { return std::min(a, b); }, wide, wide),
      binary(
          "eq", eq, [](double a, double b) { return double(a == b); }, wide, wide, Gradient::none),
      binary(
          "ne", ne, [](double a, double b) { return double(a != b); }, wide, wide, Gradient::none),
      binary(
          "lt", lt, [](double a, double b) { return double(a < b); }, wide, channel, Gradient::none),
      binary(
          "le", le, [](double a, double b) { return double(a <= b); }, wide, wide, Gradient::none),
      binary(
          "gt", gt, [](double a, double b) { return double(a > b); }, wide, row, Gradient::none),
      binary(
          "ge", ge, [](double a, double b) { return double(a >= b); }, wide, wide, Gradient::none),
      unary("neg", neg, [](double x) { return -x; }),
      unary("abs", abs, [](double x) { return std::fabs(x); }),
      unary(
          "sign", sign, [](double x) { return double((x > 0) - (x < 0)); }, Input::any, Gradient::none),
      unary("square", square, [](double x) { return x * x; }),
      unary(
          "sqrt", sqrt, [](double x) { return std::sqrt(x); }, Input::positive),
      unary(
          "rsqrt", rsqrt, [](double x) { return 1 / std::sqrt(x); }, Input::positive),
      unary("exp", exp, [](double x) { return std::exp(x); }),
      unary(
          "log", log, [](double x) { return std::log(x); }, Input::positive),
      unary(
          "reciprocal", reciprocal, [](double x) { return 1 / x; }, Input::positive),
      unary(
          "floor", floor, [](double x) { return std::floor(x); }, Input::any, Gradient::none),
      unary("expm1", expm1, [](double x) { return std::expm1(x); }),
      unary(
          "log1p", log1p, [](double x) { return std::log1p(x); }, Input::positive),
      unary("softplus", softplus, softplus_of),
      unary("selu", selu,
            [](double x) { return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * std::expm1(x)); }),
      unary("gelu_tanh", gelu_tanh,
            [](double x) { return x / 2 * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))); }),
      unary("erf", erf, [](double x) { return std::erf(x); }),
      unary("relu", relu, [](double x) { return std::max(x, 0.0); }),
      unary(
          "relu6", [](const Tensor& x) { return relu6(x * 5.0); },
          [](double x) { return std::clamp(x * 5, 0.0, 6.0); }),
      unary(
          "leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.1); },
          [](double x) { return x > 0 ? x : 0.1 * x; }),
      unary(
          "elu", [](const Tensor& x) { return elu(x, 1.5); }, [](double x) { return x > 0 ? x : 1.5 * std::expm1(x); }),
      unary("sigmoid", sigmoid, sigmoid_of),
      unary("tanh", tanh, [](double x) { return std::tanh(x); }),
      unary("silu", silu, [](double x) { return x * sigmoid_of(x); }),
      unary("gelu", gelu, [](double x) { return x / 2 * (1 + std::erf(x / std::sqrt(2.0))); }),
      unary(
          "hardswish", [](const Tensor& x) { return hardswish(x * 2.5); },
          [](double x) { return x * 2.5 * std::clamp(x * 2.5 + 3, 0.0, 6.0) / 6; }),
      unary(
          "hardsigmoid", [](const Tensor& x) { return hardsigmoid(x * 2.5); },
          [](double x) { return std::clamp(x * 2.5 + 3, 0.0, 6.0) / 6; }),
      unary("mish", mish, [](double x) { return x * std::tanh(softplus_of(x)); }),
      unary(
          "clamp", [](const Tensor& x) { return clamp(x, -0.7, 1.1); },
          [](double x) { return std::clamp(x, -0.7, 1.1); }),
      unary(
          "add_scalar", [](const Tensor& x) { return 1.5 - x * 2.0; }, [](double x) { return 1.5 - x * 2; }),
  };
  rows.push_back({.name = "prelu",
                  .inputs = {wide, Input{3}},
                  .run = [](const Tensors& in) { return Tensors{prelu(in[0], in[1])}; },
                  .reference =
                      [](const std::vector<Plain>& in) {
                        return std::vector{build(in[0].shape, [&](const auto& i) {
                          const double x = in[0].at(i);
                          return x > 0 ? x : x * in[1].at({i[1]});
                        })};
                      }});
  rows.push_back({.name = "where",
                  .inputs = {Input({2, 3, 5, 7}, Input::boolean), wide, channel},
                  .run = [](const Tensors& in) { return Tensors{where(in[0], in[1], in[2])}; },
                  .reference =
                      [](const std::vector<Plain>& in) {
                        return std::vector{build(
                            in[0].shape, [&](const auto& i) { return in[0].at(i) != 0 ? in[1].at(i) : in[2].at(i); })};
                      }});
  rows.push_back({.name = "cast",
                  .inputs = {wide},
                  .run = [](const Tensors& in) { return Tensors{cast(cast(in[0], DType::f64) * 2.0, DType::f32)}; },
                  .reference =
                      [](const std::vector<Plain>& in) {
                        return std::vector{map(in[0], [](double x) { return double(float(x * 2)); })};
                      },
                  .gradient = Gradient::none});
  rows.push_back({.name = "size",
                  .inputs = {},
                  .run = [](const Tensors&) { return Tensors{apply(kSize, {}, SizeAttrs{7, DType::f64})}; },
                  .reference = [](const std::vector<Plain>&) { return std::vector{Plain{{}, {7}}}; },
                  .gradient = Gradient::none,
                  .batched = false});
  for (OpRow& each : rows)
    if (each.name == "sub_from_smaller") each.batched = false;
  return rows;
}

}  // namespace ingot::test
