#include <numbers>

#include "kernels/elementwise.h"
#include "ops/attrs.h"
#include "ops/defs.h"
#include "ops/ops.h"
#include "ops/rules.h"

namespace ingot {
namespace {

template <Activation kKind>
void eval(const EvalArgs& a) {
  const double alpha = a.attrs ? a.as<AlphaAttrs>().alpha : 0;
  kernels::activate(kKind, alpha, 0, a.in[0], a.out[0]);
}

Results infer(const InferArgs& a) {
  check_floating(a.in[0]);
  return a.in[0];
}

Tensor zero_of(const VjpArgs& a) { return scalar(0, a.grad[0].dtype()); }

Tensors vjp_relu(const VjpArgs& a) { return {where(a.out[0] > 0.0, a.grad[0], zero_of(a))}; }
Tensors vjp_relu6(const VjpArgs& a) {
  return {where(a.in[0] > 0.0, where(a.in[0] < 6.0, a.grad[0], zero_of(a)), zero_of(a))};
}
Tensors vjp_leaky_relu(const VjpArgs& a) {
  return {where(a.in[0] > 0.0, a.grad[0], a.grad[0] * a.as<AlphaAttrs>().alpha)};
}
// alpha e^x below 0
Tensors vjp_elu(const VjpArgs& a) {
  return {where(a.in[0] > 0.0, a.grad[0], a.grad[0] * exp(minimum(a.in[0], 0.0)) * a.as<AlphaAttrs>().alpha)};
}
Tensors vjp_sigmoid(const VjpArgs& a) { return {a.grad[0] * a.out[0] * (1.0 - a.out[0])}; }
Tensors vjp_tanh(const VjpArgs& a) { return {a.grad[0] * (1.0 - square(a.out[0]))}; }
// s (1 + x (1 - s)), s = sigmoid(x)
Tensors vjp_silu(const VjpArgs& a) {
  const Tensor s = sigmoid(a.in[0]);
  return {a.grad[0] * s * (1.0 + a.in[0] * (1.0 - s))};
}
// Phi(x) + x phi(x)
Tensors vjp_gelu(const VjpArgs& a) {
  const Tensor& x = a.in[0];
  const Tensor cdf = 0.5 * (1.0 + erf(x * (1 / std::numbers::sqrt2)));
  const Tensor pdf = exp(square(x) * -0.5) * (std::numbers::inv_sqrtpi / std::numbers::sqrt2);
  return {a.grad[0] * (cdf + x * pdf)};
}
// 0 below -3, 1 above 3, (2x + 3) / 6 between
Tensors vjp_hardswish(const VjpArgs& a) {
  const Tensor middle = a.grad[0] * (a.in[0] * 2.0 + 3.0) * (1.0 / 6);
  return {where(a.in[0] > 3.0, a.grad[0], where(a.in[0] < -3.0, zero_of(a), middle))};
}
Tensors vjp_hardsigmoid(const VjpArgs& a) {
  return {where(a.in[0] > -3.0, where(a.in[0] < 3.0, a.grad[0] * (1.0 / 6), zero_of(a)), zero_of(a))};
}
// x tanh(softplus(x)): t + x s (1 - t^2), s = sigmoid(x)
Tensors vjp_mish(const VjpArgs& a) {
  const Tensor& x = a.in[0];
  const Tensor softplus = maximum(x, 0.0) + log(1.0 + exp(-abs(x)));
  const Tensor t = tanh(softplus);
  return {a.grad[0] * (t + x * sigmoid(x) * (1.0 - square(t)))};
}

const Keeps kInput{.inputs = {0}};
const Keeps kOutput{.outputs = {0}};

}  // namespace

const OpDef kRelu{.name = "relu", .infer = infer, .eval = eval<Activation::relu>, .vjp = vjp_relu, .keeps = kOutput};
const OpDef kRelu6{.name = "relu6", .infer = infer, .eval = eval<Activation::relu6>, .vjp = vjp_relu6, .keeps = kInput};
const OpDef kLeakyRelu{.name = "leaky_relu",
                       .attrs = &attrs_of<AlphaAttrs>,
                       .infer = infer,
                       .eval = eval<Activation::leaky_relu>,
                       .vjp = vjp_leaky_relu,
                       .keeps = kInput};
const OpDef kElu{.name = "elu",
                 .attrs = &attrs_of<AlphaAttrs>,
                 .infer = infer,
                 .eval = eval<Activation::elu>,
                 .vjp = vjp_elu,
                 .keeps = kInput};
const OpDef kSigmoid{
    .name = "sigmoid", .infer = infer, .eval = eval<Activation::sigmoid>, .vjp = vjp_sigmoid, .keeps = kOutput};
const OpDef kTanh{.name = "tanh", .infer = infer, .eval = eval<Activation::tanh>, .vjp = vjp_tanh, .keeps = kOutput};
const OpDef kSilu{.name = "silu", .infer = infer, .eval = eval<Activation::silu>, .vjp = vjp_silu, .keeps = kInput};
const OpDef kGelu{.name = "gelu", .infer = infer, .eval = eval<Activation::gelu>, .vjp = vjp_gelu, .keeps = kInput};
const OpDef kHardswish{
    .name = "hardswish", .infer = infer, .eval = eval<Activation::hardswish>, .vjp = vjp_hardswish, .keeps = kInput};
const OpDef kHardsigmoid{.name = "hardsigmoid",
                         .infer = infer,
                         .eval = eval<Activation::hardsigmoid>,
                         .vjp = vjp_hardsigmoid,
                         .keeps = kInput};
const OpDef kMish{.name = "mish", .infer = infer, .eval = eval<Activation::mish>, .vjp = vjp_mish, .keeps = kInput};

Tensor relu(const Tensor& x) { return apply(kRelu, {x}); }
Tensor relu6(const Tensor& x) { return apply(kRelu6, {x}); }
Tensor leaky_relu(const Tensor& x, double slope) { return apply(kLeakyRelu, {x}, AlphaAttrs{slope}); }
Tensor elu(const Tensor& x, double alpha) { return apply(kElu, {x}, AlphaAttrs{alpha}); }
Tensor sigmoid(const Tensor& x) { return apply(kSigmoid, {x}); }
Tensor tanh(const Tensor& x) { return apply(kTanh, {x}); }
Tensor silu(const Tensor& x) { return apply(kSilu, {x}); }
Tensor gelu(const Tensor& x) { return apply(kGelu, {x}); }
Tensor hardswish(const Tensor& x) { return apply(kHardswish, {x}); }
Tensor hardsigmoid(const Tensor& x) { return apply(kHardsigmoid, {x}); }
Tensor mish(const Tensor& x) { return apply(kMish, {x}); }

Tensor activate(const Tensor& x, Activation kind, double alpha) {
  switch (kind) {
    case Activation::none:
      return x;
    case Activation::relu:
      return relu(x);
    case Activation::relu6:
      return relu6(x);
    case Activation::leaky_relu:
      return leaky_relu(x, alpha);
    case Activation::elu:
      return elu(x, alpha);
    case Activation::sigmoid:
      return sigmoid(x);
    case Activation::tanh:
      return tanh(x);
    case Activation::silu:
      return silu(x);
    case Activation::gelu:
      return gelu(x);
    case Activation::hardswish:
      return hardswish(x);
    case Activation::hardsigmoid:
      return hardsigmoid(x);
    case Activation::mish:
      return mish(x);
  }
  fail("[activate] unknown activation");
}

}  // namespace ingot
