#include <numbers>

#include "kernels/elementwise.h"
#include "ops/attrs.h"
#include "ops/defs.h"
#include "ops/ops.h"
#include "ops/rules.h"

namespace ingot {
namespace {

using kernels::Unary;

template <Unary kOp>
void eval(const EvalArgs& a) {
  kernels::unary(kOp, a.in[0], a.out[0]);
}

Results infer_floating(const InferArgs& a) {
  check_floating(a.in[0]);
  return a.in[0];
}

Tensors vjp_neg(const VjpArgs& a) { return {-a.grad[0]}; }
Tensors vjp_abs(const VjpArgs& a) { return {a.grad[0] * sign(a.in[0])}; }
Tensors vjp_square(const VjpArgs& a) { return {a.grad[0] * a.in[0] * 2.0}; }
Tensors vjp_sqrt(const VjpArgs& a) { return {a.grad[0] / (a.out[0] * 2.0)}; }
Tensors vjp_rsqrt(const VjpArgs& a) { return {a.grad[0] * a.out[0] * a.out[0] * a.out[0] * -0.5}; }
Tensors vjp_exp(const VjpArgs& a) { return {a.grad[0] * a.out[0]}; }
Tensors vjp_log(const VjpArgs& a) { return {a.grad[0] / a.in[0]}; }
Tensors vjp_expm1(const VjpArgs& a) { return {a.grad[0] * (a.out[0] + 1.0)}; }
Tensors vjp_log1p(const VjpArgs& a) { return {a.grad[0] / (a.in[0] + 1.0)}; }
Tensors vjp_softplus(const VjpArgs& a) { return {a.grad[0] * sigmoid(a.in[0])}; }
Tensors vjp_reciprocal(const VjpArgs& a) { return {-a.grad[0] * a.out[0] * a.out[0]}; }
// erf'(x) = 2/sqrt(pi) exp(-x^2)
Tensors vjp_erf(const VjpArgs& a) { return {a.grad[0] * exp(-square(a.in[0])) * (2 * std::numbers::inv_sqrtpi)}; }

void eval_clamp(const EvalArgs& a) {
  auto [low, high] = std::pair{a.as<ClampAttrs>().low, a.as<ClampAttrs>().high};
  double bounds[2] = {low, high};
  std::byte storage[2][8];
  const auto bound = [&](int i) {
    Array scalar{.data = storage[i], .dtype = a.in[0].dtype, .rank = 0};
    Array value{.data = &bounds[i], .dtype = DType::f64, .rank = 0};
    kernels::copy(value, scalar);
    return broadcast_to(scalar, a.out[0]);
  };
  kernels::binary(kernels::Binary::maximum, a.in[0], bound(0), a.out[0]);
  kernels::binary(kernels::Binary::minimum, a.out[0], bound(1), a.out[0]);
}

Tensors vjp_clamp(const VjpArgs& a) {
  const auto& attrs = a.as<ClampAttrs>();
  const Tensor zero = scalar(0, a.grad[0].dtype());
  return {where(a.in[0] >= attrs.low, where(a.in[0] <= attrs.high, a.grad[0], zero), zero)};
}

void eval_cast(const EvalArgs& a) { kernels::copy(a.in[0], a.out[0]); }

Results infer_cast(const InferArgs& a) {
  Spec out = a.in[0];
  out.dtype = a.as<CastAttrs>().dtype;
  return out;
}

Tensors vjp_cast(const VjpArgs& a) {
  return {is_floating(a.in_specs[0].dtype) ? cast(a.grad[0], a.in_specs[0].dtype) : Tensor()};
}

const Keeps kInput{.inputs = {0}};
const Keeps kOutput{.outputs = {0}};

}  // namespace

const OpDef kNeg{.name = "neg", .infer = infer_like_input, .eval = eval<Unary::neg>, .vjp = vjp_neg};
const OpDef kAbs{.name = "abs", .infer = infer_like_input, .eval = eval<Unary::abs>, .vjp = vjp_abs, .keeps = kInput};
const OpDef kSign{.name = "sign", .infer = infer_like_input, .eval = eval<Unary::sign>, .vjp = no_gradient};
const OpDef kSquare{
    .name = "square", .infer = infer_like_input, .eval = eval<Unary::square>, .vjp = vjp_square, .keeps = kInput};
const OpDef kSqrt{
    .name = "sqrt", .infer = infer_floating, .eval = eval<Unary::sqrt>, .vjp = vjp_sqrt, .keeps = kOutput};
const OpDef kRsqrt{
    .name = "rsqrt", .infer = infer_floating, .eval = eval<Unary::rsqrt>, .vjp = vjp_rsqrt, .keeps = kOutput};
const OpDef kExp{.name = "exp", .infer = infer_floating, .eval = eval<Unary::exp>, .vjp = vjp_exp, .keeps = kOutput};
const OpDef kLog{.name = "log", .infer = infer_floating, .eval = eval<Unary::log>, .vjp = vjp_log, .keeps = kInput};
const OpDef kExpm1{
    .name = "expm1", .infer = infer_floating, .eval = eval<Unary::expm1>, .vjp = vjp_expm1, .keeps = kOutput};
const OpDef kLog1p{
    .name = "log1p", .infer = infer_floating, .eval = eval<Unary::log1p>, .vjp = vjp_log1p, .keeps = kInput};
const OpDef kSoftplus{
    .name = "softplus", .infer = infer_floating, .eval = eval<Unary::softplus>, .vjp = vjp_softplus, .keeps = kInput};
const OpDef kReciprocal{.name = "reciprocal",
                        .infer = infer_floating,
                        .eval = eval<Unary::reciprocal>,
                        .vjp = vjp_reciprocal,
                        .keeps = kOutput};
const OpDef kFloor{.name = "floor", .infer = infer_like_input, .eval = eval<Unary::floor>, .vjp = no_gradient};
const OpDef kErf{.name = "erf", .infer = infer_floating, .eval = eval<Unary::erf>, .vjp = vjp_erf, .keeps = kInput};
const OpDef kClamp{.name = "clamp",
                   .attrs = &attrs_of<ClampAttrs>,
                   .infer = infer_like_input,
                   .eval = eval_clamp,
                   .vjp = vjp_clamp,
                   .keeps = kInput};
const OpDef kCast{.name = "cast",
                  .attrs = &attrs_of<CastAttrs>,
                  .infer = infer_cast,
                  .eval = eval_cast,
                  .vjp = vjp_cast,
                  .keeps = {.input_specs = true}};

Tensor neg(const Tensor& x) { return apply(kNeg, {x}); }
Tensor abs(const Tensor& x) { return apply(kAbs, {x}); }
Tensor sign(const Tensor& x) { return apply(kSign, {x}); }
Tensor square(const Tensor& x) { return apply(kSquare, {x}); }
Tensor sqrt(const Tensor& x) { return apply(kSqrt, {x}); }
Tensor rsqrt(const Tensor& x) { return apply(kRsqrt, {x}); }
Tensor exp(const Tensor& x) { return apply(kExp, {x}); }
Tensor log(const Tensor& x) { return apply(kLog, {x}); }
Tensor expm1(const Tensor& x) { return apply(kExpm1, {x}); }
Tensor log1p(const Tensor& x) { return apply(kLog1p, {x}); }
Tensor softplus(const Tensor& x) { return apply(kSoftplus, {x}); }
Tensor reciprocal(const Tensor& x) { return apply(kReciprocal, {x}); }
Tensor floor(const Tensor& x) { return apply(kFloor, {x}); }
Tensor erf(const Tensor& x) { return apply(kErf, {x}); }
Tensor clamp(const Tensor& x, double low, double high) {
  CHECK(low <= high, "[clamp] low {} is above high {}", low, high);
  return apply(kClamp, {x}, ClampAttrs{low, high});
}
Tensor cast(const Tensor& x, DType dtype) { return x.dtype() == dtype ? x : apply(kCast, {x}, CastAttrs{dtype}); }

}  // namespace ingot
