#include "kernels/softmax.h"

#include "ops/attrs.h"
#include "ops/defs.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "tensor/symbols.h"

namespace ingot {
namespace {

int dim_of(const Attrs& attrs) { return static_cast<int>(attrs.get<DimAttrs>().dim); }

Results infer(const InferArgs& a) {
  check_floating(a.in[0]);
  check_dim(a.as<DimAttrs>().dim, a.in[0].shape.size());
  for (const Spec& x : a.in.subspan(1)) {
    check_same_dtype(a.in[0], x);
    CHECK(equal_shapes(x.shape, a.in[0].shape), "{} and {} differ", to_string(x.shape), to_string(a.in[0].shape));
  }
  return a.in[0];
}

void eval_softmax(const EvalArgs& a) { kernels::softmax(a.in[0], dim_of(a.attrs), a.out[0]); }
void eval_log_softmax(const EvalArgs& a) { kernels::log_softmax(a.in[0], dim_of(a.attrs), a.out[0]); }
void eval_softmax_grad(const EvalArgs& a) { kernels::softmax_grad(a.in[0], a.in[1], dim_of(a.attrs), a.out[0]); }
void eval_log_softmax_grad(const EvalArgs& a) {
  kernels::log_softmax_grad(a.in[0], a.in[1], dim_of(a.attrs), a.out[0]);
}

Tensors vjp_softmax(const VjpArgs& a) { return {apply(kSoftmaxGrad, {a.out[0], a.grad[0]}, a.attrs)}; }
Tensors vjp_log_softmax(const VjpArgs& a) { return {apply(kLogSoftmaxGrad, {a.out[0], a.grad[0]}, a.attrs)}; }

// dx = y (g - sum(g y))
Tensors expand_softmax_grad(const ExpandArgs& a) {
  const Tensor &y = a.in[0], &g = a.in[1];
  return {y * (g - sum(g * y, {dim_of(a.attrs)}, true))};
}

// dx = g - exp(y) sum(g)
Tensors expand_log_softmax_grad(const ExpandArgs& a) {
  const Tensor &y = a.in[0], &g = a.in[1];
  return {g - exp(y) * sum(g, {dim_of(a.attrs)}, true)};
}

}  // namespace

const OpDef kSoftmax{.name = "softmax",
                     .attrs = &attrs_of<DimAttrs>,
                     .infer = infer,
                     .eval = eval_softmax,
                     .vjp = vjp_softmax,
                     .keeps = {.outputs = {0}}};
const OpDef kLogSoftmax{.name = "log_softmax",
                        .attrs = &attrs_of<DimAttrs>,
                        .infer = infer,
                        .eval = eval_log_softmax,
                        .vjp = vjp_log_softmax,
                        .keeps = {.outputs = {0}}};
const OpDef kSoftmaxGrad{.name = "softmax_grad",
                         .attrs = &attrs_of<DimAttrs>,
                         .operands = {2, 2},
                         .infer = infer,
                         .eval = eval_softmax_grad,
                         .expand = expand_softmax_grad};
const OpDef kLogSoftmaxGrad{.name = "log_softmax_grad",
                            .attrs = &attrs_of<DimAttrs>,
                            .operands = {2, 2},
                            .infer = infer,
                            .eval = eval_log_softmax_grad,
                            .expand = expand_log_softmax_grad};

Tensor softmax(const Tensor& x, int64_t dim) { return apply(kSoftmax, {x}, DimAttrs{wrap_dim(dim, x.shape().size())}); }
Tensor log_softmax(const Tensor& x, int64_t dim) {
  return apply(kLogSoftmax, {x}, DimAttrs{wrap_dim(dim, x.shape().size())});
}

}  // namespace ingot
