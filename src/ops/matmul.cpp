#include "kernels/matmul.h"

#include "kernels/elementwise.h"
#include "ops/attrs.h"
#include "ops/defs.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "tensor/symbols.h"

namespace ingot {
namespace {

Results infer_matmul(const InferArgs& a) {
  const Spec &x = a.in[0], &y = a.in[1];
  check_floating(x);
  check_same_dtype(x, y);
  const size_t rx = x.shape.size(), ry = y.shape.size();
  CHECK(rx >= 2 && ry >= 2 && equal_sizes(x.shape[rx - 1], y.shape[ry - 2]), "{} times {}: the inner sizes differ",
        to_string(x.shape), to_string(y.shape));
  const Shape batch =
      broadcast_shapes(Shape(std::span(x.shape.begin(), rx - 2)), Shape(std::span(y.shape.begin(), ry - 2)));
  Shape shape = batch;
  shape.push_back(x.shape[rx - 2]);
  shape.push_back(y.shape[ry - 1]);
  return Spec{.shape = shape, .dtype = x.dtype, .layout = Layout::row_major};
}

size_t scratch_matmul(const EvalArgs& a) { return kernels::matmul_scratch(a.in[0], a.in[1], {}, a.out[0]); }
void eval_matmul(const EvalArgs& a) { kernels::matmul(a.in[0], a.in[1], {}, a.out[0], a.scratch); }

// da = g b^T, db = a^T g
Tensors vjp_matmul(const VjpArgs& a) {
  const Tensor &x = a.in[0], &y = a.in[1], &g = a.grad[0];
  return {a.wants[0] ? sum_to(matmul(g, transpose(y, -1, -2)), x.shape()) : Tensor(),
          a.wants[1] ? sum_to(matmul(transpose(x, -1, -2), g), y.shape()) : Tensor()};
}

Results infer_linear(const InferArgs& a) {
  const Spec &x = a.in[0], &w = a.in[1];
  check_floating(x);
  check_same_dtype(x, w);
  check_rank(w, 2, "weight [O,I]");
  CHECK(x.shape.size() >= 2 && equal_sizes(x.shape.back(), w.shape[1]), "weight {} needs {} input features, x is {}",
        to_string(w.shape), w.shape[1].str(), to_string(x.shape));
  if (a.has(2)) check_same_dtype(x, a.in[2]);
  if (a.has(2))
    CHECK(a.in[2].shape == Shape{w.shape[0]}, "bias {} must be [{}]", to_string(a.in[2].shape), w.shape[0].str());
  Shape shape = x.shape;
  shape.back() = w.shape[0];
  return Spec{.shape = shape, .dtype = x.dtype, .layout = Layout::row_major};
}

size_t scratch_linear(const EvalArgs& a) { return kernels::linear_scratch(a.in[0], a.in[1], a.input(2), a.out[0]); }
void eval_linear(const EvalArgs& a) { kernels::linear(a.in[0], a.in[1], a.input(2), a.out[0], a.scratch); }

Tensor as_matrix(const Tensor& x) { return flatten(x, 0, -2); }

// dx = g W, dW = g^T x, db = sum g, all leading dimensions taken as one
Tensors vjp_linear(const VjpArgs& a) {
  const Tensor& g = a.grad[0];
  Tensors out{a.wants[0] ? matmul(g, a.in[1]) : Tensor(),
              a.wants[1] ? matmul(transpose(as_matrix(g), 0, 1), as_matrix(a.in[0])) : Tensor()};
  if (a.wants.size() > 2) out.push_back(a.wants[2] ? sum(as_matrix(g), {0}) : Tensor());
  return out;
}

void eval_linear_fused(const EvalArgs& a) {
  const auto& attrs = a.as<LinearFusedAttrs>();
  eval_linear(a);
  if (attrs.activation != Activation::none) kernels::activate(attrs.activation, attrs.alpha, 0, a.out[0], a.out[0]);
}

Tensors expand_linear_fused(const ExpandArgs& a) {
  const auto& attrs = a.as<LinearFusedAttrs>();
  const Tensor bias = a.input(2);
  return {activate(linear(a.in[0], a.in[1], bias.defined() ? std::optional(bias) : std::nullopt), attrs.activation,
                   attrs.alpha)};
}

}  // namespace

const OpDef kMatmul{.name = "matmul",
                    .operands = {2, 2},
                    .infer = infer_matmul,
                    .scratch = scratch_matmul,
                    .eval = eval_matmul,
                    .vjp = vjp_matmul,
                    .keeps = {.inputs = {0, 1}}};
const OpDef kLinear{.name = "linear",
                    .operands = {2, 3, 0b100},
                    .infer = infer_linear,
                    .scratch = scratch_linear,
                    .eval = eval_linear,
                    .vjp = vjp_linear,
                    .keeps = {.inputs = {0, 1}}};
const OpDef kLinearFused{.name = "linear_fused",
                         .attrs = &attrs_of<LinearFusedAttrs>,
                         .operands = {2, 3, 0b100},
                         .infer = infer_linear,
                         .scratch = scratch_linear,
                         .eval = eval_linear_fused,
                         .expand = expand_linear_fused};

Tensor matmul(const Tensor& a, const Tensor& b) {
  CHECK(a.rank() >= 1 && b.rank() >= 1, "[matmul] scalars cannot be multiplied as matrices");
  Tensor y = apply(kMatmul, {a.rank() == 1 ? unsqueeze(a, 0) : a, b.rank() == 1 ? unsqueeze(b, 1) : b});
  if (b.rank() == 1) y = squeeze(y, -1);
  if (a.rank() == 1) y = squeeze(y, b.rank() == 1 ? -1 : -2);
  return y;
}

Tensor linear(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias) {
  if (x.rank() == 1) return squeeze(linear(unsqueeze(x, 0), weight, bias), 0);
  return bias ? apply(kLinear, {x, weight, *bias}) : apply(kLinear, {x, weight});
}

Tensor linear_fused(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias, Activation activation,
                    double alpha) {
  return apply(kLinearFused, {x, weight, bias.value_or(Tensor())}, LinearFusedAttrs{activation, alpha});
}

}  // namespace ingot
