#include <numbers>

#include "kernels/elementwise.h"
#include "ops/attrs.h"
#include "ops/defs.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "tensor/symbols.h"

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

// relu, sigmoid and tanh know their gradient from the result, the others from the input.
constexpr bool keeps_output(Activation kind) {
  return kind == Activation::relu || kind == Activation::sigmoid || kind == Activation::tanh;
}

template <Activation kKind>
Tensors vjp(const VjpArgs& a) {
  const double alpha = a.attrs ? a.as<AlphaAttrs>().alpha : 0;
  const Tensor& kept = keeps_output(kKind) ? a.out[0] : a.in[0];
  return {apply(kActivationGrad, {kept, a.grad[0]}, ActivationGradAttrs{kKind, alpha})};
}

Results infer_grad(const InferArgs& a) {
  check_floating(a.in[0]);
  check_same_dtype(a.in[0], a.in[1]);
  CHECK(equal_shapes(a.in[0].shape, a.in[1].shape), "{} and the gradient {} differ", to_string(a.in[0].shape),
        to_string(a.in[1].shape));
  CHECK(a.as<ActivationGradAttrs>().activation != Activation::none, "activation is missing");
  return a.in[0];
}
void eval_grad(const EvalArgs& a) {
  const auto& attrs = a.as<ActivationGradAttrs>();
  kernels::activation_grad(attrs.activation, attrs.alpha, a.in[0], a.in[1], a.out[0]);
}

/// f'(x) by plain ops; x is the result where keeps_output().
Tensor slope(Activation kind, const Tensor& x, double alpha) {
  const Tensor zero = scalar(0, x.dtype()), one = scalar(1, x.dtype());
  const auto between = [&](double low, double high, const Tensor& inside) {
    return where(x > low, where(x < high, inside, zero), zero);
  };
  switch (kind) {
    case Activation::none:
      break;
    case Activation::relu:
      return where(x > 0.0, one, zero);
    case Activation::relu6:
      return between(0, 6, one);
    case Activation::leaky_relu:
      return where(x > 0.0, one, scalar(alpha, x.dtype()));
    case Activation::elu:  // alpha e^x below 0
      return where(x > 0.0, one, exp(minimum(x, 0.0)) * alpha);
    case Activation::sigmoid:
      return x * (1.0 - x);
    case Activation::tanh:
      return 1.0 - square(x);
    case Activation::silu: {  // s (1 + x (1 - s)), s = sigmoid(x)
      const Tensor s = sigmoid(x);
      return s * (1.0 + x * (1.0 - s));
    }
    case Activation::gelu: {  // Phi(x) + x phi(x)
      const Tensor cdf = 0.5 * (1.0 + erf(x * (1 / std::numbers::sqrt2)));
      return cdf + x * exp(square(x) * -0.5) * (std::numbers::inv_sqrtpi / std::numbers::sqrt2);
    }
    case Activation::hardswish:  // 0 below -3, 1 above 3, (2x + 3) / 6 between
      return where(x > 3.0, one, where(x < -3.0, zero, (x * 2.0 + 3.0) * (1.0 / 6)));
    case Activation::hardsigmoid:
      return between(-3, 3, scalar(1.0 / 6, x.dtype()));
    case Activation::mish: {  // x tanh(softplus(x)): t + x s (1 - t^2), s = sigmoid(x)
      const Tensor t = tanh(softplus(x));
      return t + x * sigmoid(x) * (1.0 - square(t));
    }
  }
  fail("activation {} has no gradient", static_cast<int>(kind));
}
Tensors expand_grad(const ExpandArgs& a) {
  const auto& attrs = a.as<ActivationGradAttrs>();
  return {a.in[1] * slope(attrs.activation, a.in[0], attrs.alpha)};
}

template <Activation kKind>
OpDef definition(std::string_view name, const AttrsType* attrs = nullptr) {
  return {.name = name,
          .attrs = attrs,
          .infer = infer,
          .eval = eval<kKind>,
          .vjp = vjp<kKind>,
          .keeps = keeps_output(kKind) ? Keeps{.outputs = {0}} : Keeps{.inputs = {0}}};
}

}  // namespace

const OpDef kRelu = definition<Activation::relu>("relu");
const OpDef kRelu6 = definition<Activation::relu6>("relu6");
const OpDef kLeakyRelu = definition<Activation::leaky_relu>("leaky_relu", &attrs_of<AlphaAttrs>);
const OpDef kElu = definition<Activation::elu>("elu", &attrs_of<AlphaAttrs>);
const OpDef kSigmoid = definition<Activation::sigmoid>("sigmoid");
const OpDef kTanh = definition<Activation::tanh>("tanh");
const OpDef kSilu = definition<Activation::silu>("silu");
const OpDef kGelu = definition<Activation::gelu>("gelu");
const OpDef kHardswish = definition<Activation::hardswish>("hardswish");
const OpDef kHardsigmoid = definition<Activation::hardsigmoid>("hardsigmoid");
const OpDef kMish = definition<Activation::mish>("mish");
/// (x or y, g) -> g f'(x).
const OpDef kActivationGrad{.name = "activation_grad",
                            .attrs = &attrs_of<ActivationGradAttrs>,
                            .operands = {2, 2},
                            .infer = infer_grad,
                            .eval = eval_grad,
                            .expand = expand_grad};

Tensor relu(const Tensor& x) { return apply(kRelu, {x}); }
Tensor relu6(const Tensor& x) { return apply(kRelu6, {x}); }
Tensor leaky_relu(const Tensor& x, double slope) { return apply(kLeakyRelu, {x}, AlphaAttrs{slope}); }
Tensor elu(const Tensor& x, double alpha) { return apply(kElu, {x}, AlphaAttrs{alpha}); }
Tensor sigmoid(const Tensor& x) { return apply(kSigmoid, {x}); }
Tensor tanh(const Tensor& x) { return apply(kTanh, {x}); }
Tensor silu(const Tensor& x) { return apply(kSilu, {x}); }
Tensor gelu(const Tensor& x) { return apply(kGelu, {x}); }
Tensor gelu_tanh(const Tensor& x) {
  constexpr double kScale = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
  return x * 0.5 * (1.0 + tanh((x + x * x * x * 0.044715) * kScale));
}
Tensor selu(const Tensor& x) {
  constexpr double kAlpha = 1.6732632423543772848170429916717, kScale = 1.0507009873554804934193349852946;
  return elu(x, kAlpha) * kScale;
}
Tensor prelu(const Tensor& x, const Tensor& weight) {
  const bool one = weight.numel() == 1;
  CHECK(weight.rank() <= 1 && (one || (x.rank() >= 2 && weight.numel() == x.size(1))),
        "[prelu] the slope {} must have 1 element, or one for each channel of {}", to_string(weight.shape()),
        to_string(x.shape()));
  return where(x > 0.0, x, x * (one ? reshape(weight, {}) : per_channel(weight, x.rank())));
}
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
