#include "kernels/elementwise.h"
#include "ops/defs.h"
#include "ops/ops.h"
#include "ops/rules.h"

namespace ingot {
namespace {

template <kernels::Binary kOp>
void eval(const EvalArgs& a) {
  kernels::binary(kOp, broadcast_to(a.in[0], a.out[0]), broadcast_to(a.in[1], a.out[0]), a.out[0]);
}

Results infer_comparison(const InferArgs& a) {
  Results out = infer_broadcast(a);
  out.specs[0].dtype = DType::boolean;
  return out;
}

// The gradient of an input, summed over what broadcasting spread; `make` computes it before that.
template <class Make>
Tensor summed_back(const VjpArgs& a, size_t i, const Make& make) {
  if (!a.wants[i]) return {};
  return a.in_specs.empty() ? make() : sum_to(make(), a.in_specs[i].shape);
}

template <class First, class Second>
Tensors spread_back(const VjpArgs& a, const First& first, const Second& second) {
  return {summed_back(a, 0, first), summed_back(a, 1, second)};
}

Tensors vjp_add(const VjpArgs& a) {
  const auto same = [&] { return a.grad[0]; };
  return spread_back(a, same, same);
}
Tensors vjp_sub(const VjpArgs& a) {
  return spread_back(a, [&] { return a.grad[0]; }, [&] { return -a.grad[0]; });
}
Tensors vjp_mul(const VjpArgs& a) {
  return spread_back(a, [&] { return a.grad[0] * a.in[1]; }, [&] { return a.grad[0] * a.in[0]; });
}
// d(a/b) = g / b and -g a / b^2
Tensors vjp_div(const VjpArgs& a) {
  Tensor da = a.grad[0] / a.in[1];
  return spread_back(a, [&] { return da; }, [&] { return -da * a.in[0] / a.in[1]; });
}

// d(a^b) = g b a^(b-1) and g a^b log a, which is 0 where a = 0
Tensors vjp_pow(const VjpArgs& a) {
  const Tensor &x = a.in[0], &p = a.in[1];
  const Tensor zero = scalar(0, x.dtype());
  return spread_back(
      a, [&] { return a.grad[0] * where(eq(p, 0.0), zero, p * pow(x, p - 1.0)); },
      [&] { return a.grad[0] * where(eq(x, 0.0), zero, a.out[0] * log(x)); });
}

// All of the gradient to the winner, half to each at equality.
Tensors vjp_extremum(const VjpArgs& a, const Tensor& first_wins) {
  const Tensor& g = a.grad[0];
  const Tensor tie = eq(a.in[0], a.in[1]), zero = scalar(0, g.dtype());
  return spread_back(
      a, [&] { return where(tie, g * 0.5, where(first_wins, g, zero)); },
      [&] { return where(tie, g * 0.5, where(first_wins, zero, g)); });
}
Tensors vjp_maximum(const VjpArgs& a) { return vjp_extremum(a, a.in[0] > a.in[1]); }
Tensors vjp_minimum(const VjpArgs& a) { return vjp_extremum(a, a.in[0] < a.in[1]); }

Results infer_where(const InferArgs& a) {
  CHECK(a.in[0].dtype == DType::boolean, "the condition must be bool, it is {}", name_of(a.in[0].dtype));
  Results out = infer_broadcast({a.in.subspan(1), a.attrs});
  Spec& y = out.specs[0];
  if (a.in[0].shape.size() > y.shape.size()) y.layout = a.in[0].layout;
  y.shape = broadcast_shapes(y.shape, a.in[0].shape);
  return out;
}

void eval_where(const EvalArgs& a) {
  const Array& y = a.out[0];
  kernels::where(broadcast_to(a.in[0], y), broadcast_to(a.in[1], y), broadcast_to(a.in[2], y), y);
}

Tensors vjp_where(const VjpArgs& a) {
  const Tensor zero = scalar(0, a.grad[0].dtype());
  return {Tensor(), summed_back(a, 1, [&] { return where(a.in[0], a.grad[0], zero); }),
          summed_back(a, 2, [&] { return where(a.in[0], zero, a.grad[0]); })};
}

const Keeps kShapes{.broadcasts = true};
const Keeps kBoth{.inputs = {0, 1}, .broadcasts = true};

}  // namespace

using kernels::Binary;
const OpDef kAdd{.name = "add",
                 .operands = {2, 2},
                 .infer = infer_broadcast,
                 .eval = eval<Binary::add>,
                 .vjp = vjp_add,
                 .keeps = kShapes};
const OpDef kSub{.name = "sub",
                 .operands = {2, 2},
                 .infer = infer_broadcast,
                 .eval = eval<Binary::sub>,
                 .vjp = vjp_sub,
                 .keeps = kShapes};
const OpDef kMul{.name = "mul",
                 .operands = {2, 2},
                 .infer = infer_broadcast,
                 .eval = eval<Binary::mul>,
                 .vjp = vjp_mul,
                 .keeps = kBoth};
const OpDef kDiv{.name = "div",
                 .operands = {2, 2},
                 .infer = infer_broadcast,
                 .eval = eval<Binary::div>,
                 .vjp = vjp_div,
                 .keeps = kBoth};
const OpDef kPow{.name = "pow",
                 .operands = {2, 2},
                 .infer = infer_broadcast,
                 .eval = eval<Binary::pow>,
                 .vjp = vjp_pow,
                 .keeps = {.inputs = {0, 1}, .outputs = {0}, .broadcasts = true}};
const OpDef kMaximum{.name = "maximum",
                     .operands = {2, 2},
                     .infer = infer_broadcast,
                     .eval = eval<Binary::maximum>,
                     .vjp = vjp_maximum,
                     .keeps = kBoth};
const OpDef kMinimum{.name = "minimum",
                     .operands = {2, 2},
                     .infer = infer_broadcast,
                     .eval = eval<Binary::minimum>,
                     .vjp = vjp_minimum,
                     .keeps = kBoth};
const OpDef kEq{
    .name = "eq", .operands = {2, 2}, .infer = infer_comparison, .eval = eval<Binary::eq>, .vjp = no_gradient};
const OpDef kNe{
    .name = "ne", .operands = {2, 2}, .infer = infer_comparison, .eval = eval<Binary::ne>, .vjp = no_gradient};
const OpDef kLt{
    .name = "lt", .operands = {2, 2}, .infer = infer_comparison, .eval = eval<Binary::lt>, .vjp = no_gradient};
const OpDef kLe{
    .name = "le", .operands = {2, 2}, .infer = infer_comparison, .eval = eval<Binary::le>, .vjp = no_gradient};
const OpDef kGt{
    .name = "gt", .operands = {2, 2}, .infer = infer_comparison, .eval = eval<Binary::gt>, .vjp = no_gradient};
const OpDef kGe{
    .name = "ge", .operands = {2, 2}, .infer = infer_comparison, .eval = eval<Binary::ge>, .vjp = no_gradient};
const OpDef kWhere{.name = "where",
                   .operands = {3, 3},
                   .infer = infer_where,
                   .eval = eval_where,
                   .vjp = vjp_where,
                   .keeps = {.inputs = {0}, .broadcasts = true}};

Tensor add(const Tensor& a, const Tensor& b) { return apply(kAdd, {a, b}); }
Tensor sub(const Tensor& a, const Tensor& b) { return apply(kSub, {a, b}); }
Tensor mul(const Tensor& a, const Tensor& b) { return apply(kMul, {a, b}); }
Tensor div(const Tensor& a, const Tensor& b) { return apply(kDiv, {a, b}); }
Tensor pow(const Tensor& a, const Tensor& b) { return apply(kPow, {a, b}); }
Tensor maximum(const Tensor& a, const Tensor& b) { return apply(kMaximum, {a, b}); }
Tensor minimum(const Tensor& a, const Tensor& b) { return apply(kMinimum, {a, b}); }
Tensor eq(const Tensor& a, const Tensor& b) { return apply(kEq, {a, b}); }
Tensor ne(const Tensor& a, const Tensor& b) { return apply(kNe, {a, b}); }
Tensor lt(const Tensor& a, const Tensor& b) { return apply(kLt, {a, b}); }
Tensor le(const Tensor& a, const Tensor& b) { return apply(kLe, {a, b}); }
Tensor gt(const Tensor& a, const Tensor& b) { return apply(kGt, {a, b}); }
Tensor ge(const Tensor& a, const Tensor& b) { return apply(kGe, {a, b}); }
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) { return apply(kWhere, {condition, a, b}); }

}  // namespace ingot
