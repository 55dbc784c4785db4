#include "ops/gradient_cases.h"

namespace ingot::test {
namespace {

GradientCases unary(std::string name, Tensor (*f)(const Tensor&), Range range = kAny) {
  return {std::move(name), [=](RandomCase& c) -> Body {
            const Operand x = c.operand(c.shape(0, 5), range);
            return [=](const Operands& in) { return f(in[x]); };
          }};
}

/// With a parameter from `least` to 2.
GradientCases with_number(std::string name, Tensor (*f)(const Tensor&, double), double least) {
  return {std::move(name), [=](RandomCase& c) -> Body {
            const Operand x = c.operand(c.shape(0, 5));
            const double number = c.real(least, 2);
            return [=](const Operands& in) { return f(in[x], number); };
          }};
}

/// Operands of the same or of broadcast shapes.
GradientCases binary(std::string name, Tensor (*f)(const Tensor&, const Tensor&), Range left = kAny,
                     Range right = kAny) {
  return {std::move(name), [=](RandomCase& c) -> Body {
            const Shape shape = c.shape(0, 5);
            const Operand a = c.operand(c.chance() ? shape : c.broadcast(shape), left);
            const Operand b = c.operand(c.chance() ? shape : c.broadcast(shape), right);
            return [=](const Operands& in) { return f(in[a], in[b]); };
          }};
}

Body draw_pow(RandomCase& c) {
  if (c.chance(60)) return binary("", pow, kPositive).draw(c);
  const Operand x = c.operand(c.shape(0, 5));  // negative bases too
  const double exponent = static_cast<double>(c.number(0, 4));
  return [=](const Operands& in) { return pow(in[x], exponent); };
}

Body draw_clamp(RandomCase& c) {
  const Operand x = c.operand(c.shape(0, 5));
  const double a = c.edge(kAny), b = c.edge(kAny);
  return [=](const Operands& in) { return clamp(in[x], std::min(a, b), std::max(a, b)); };
}

Body draw_where(RandomCase& c) {
  const Shape shape = c.shape(0, 5);
  const Tensor condition = c.booleans(c.broadcast(shape));
  const Operand a = c.operand(c.broadcast(shape)), b = c.operand(c.broadcast(shape));
  return [=](const Operands& in) { return where(condition, in[a], in[b]); };
}

Body draw_prelu(RandomCase& c) {
  const Shape shape = c.shape(2, 5);
  const Operand x = c.operand(shape), slope = c.operand(c.chance(30) ? Shape{1} : Shape{shape[1]});
  return [=](const Operands& in) { return prelu(in[x], in[slope]); };
}

Body draw_activate(RandomCase& c) {
  const Operand x = c.operand(c.shape(0, 5), kWide);
  const auto [kind, alpha] = draw_activation(c);
  return [=, kind = kind, alpha = alpha](const Operands& in) { return activate(in[x], kind, alpha) * 1.0; };
}

}  // namespace

std::vector<GradientCases> elementwise_gradients() {
  return {
      binary("add", add),
      binary("sub", sub),
      binary("mul", mul),
      binary("div", div, kAny, kPositive),
      {"pow", draw_pow},
      binary("maximum", maximum),
      binary("minimum", minimum),
      {"where", draw_where},
      unary("neg", neg),
      unary("abs", abs),
      unary("square", square),
      unary("sqrt", sqrt, kPositive),
      unary("rsqrt", rsqrt, kPositive),
      unary("exp", exp),
      unary("log", log, kPositive),
      unary("reciprocal", reciprocal, kPositive),
      unary("erf", erf),
      unary("expm1", expm1),
      unary("log1p", log1p, kPositive),
      unary("softplus", softplus),
      {"clamp", draw_clamp},
      unary("relu", relu),
      unary("relu6", relu6, kWide),
      with_number("leaky_relu", leaky_relu, -1),
      with_number("elu", elu, 0.1),
      unary("sigmoid", sigmoid),
      unary("tanh", tanh),
      unary("silu", silu),
      unary("gelu", gelu),
      unary("gelu_tanh", gelu_tanh),
      unary("selu", selu),
      {"prelu", draw_prelu},
      unary("hardswish", hardswish, kWide),
      unary("hardsigmoid", hardsigmoid, kWide),
      unary("mish", mish),
      {"activate", draw_activate},
      unary("cast", [](const Tensor& x) { return cast(cast(x, DType::f32) * 0.5F, DType::f64); }),
  };
}

}  // namespace ingot::test
