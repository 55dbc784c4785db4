#include "kernels/index.h"

#include "kernels/elementwise.h"
#include "ops/attrs.h"
#include "ops/defs.h"
#include "ops/ops.h"
#include "ops/rules.h"

namespace ingot {
namespace {

void check_index_fits(const Shape& index, const Shape& x, size_t dim) {
  for (size_t d = 0; d < x.size(); ++d)
    if (d != dim && x[d].is_number() && index[d].is_number())
      CHECK(index[d].value() <= x[d].value(), "the index {} is larger than the tensor {}", to_string(index),
            to_string(x));
}

Results infer_gather(const InferArgs& a) {
  check_dim(a.as<IndexAttrs>().dim, a.in[0].shape.size());
  const auto dim = static_cast<size_t>(a.as<IndexAttrs>().dim);
  const Spec &x = a.in[0], &index = a.in[1];
  CHECK(index.dtype == DType::i64, "the index must be i64, it is {}", name_of(index.dtype));
  CHECK(index.shape.size() == x.shape.size(), "the index {} and the tensor {} differ in rank", to_string(index.shape),
        to_string(x.shape));
  check_index_fits(index.shape, x.shape, dim);
  return Spec{.shape = index.shape, .dtype = x.dtype, .layout = index.layout};
}

void eval_gather(const EvalArgs& a) {
  kernels::gather(a.in[0], a.in[1], static_cast<int>(a.as<IndexAttrs>().dim), a.out[0]);
}

Tensors vjp_gather(const VjpArgs& a) {
  return {apply(kScatterAdd, {a.grad[0], a.in[1]}, ScatterAttrs{a.as<IndexAttrs>().dim, a.in_specs[0].shape}),
          Tensor()};
}

Results infer_scatter(const InferArgs& a) {
  Spec out = a.in[0];
  out.shape = a.as<ScatterAttrs>().shape;
  check_dim(a.as<ScatterAttrs>().dim, out.shape.size());
  CHECK(a.in[1].dtype == DType::i64 && a.in[0].shape == a.in[1].shape && out.shape.size() == a.in[0].shape.size(),
        "values {}, index {} and result {} do not fit", to_string(a.in[0].shape), to_string(a.in[1].shape),
        to_string(out.shape));
  check_index_fits(a.in[1].shape, out.shape, static_cast<size_t>(a.as<ScatterAttrs>().dim));
  return out;
}

void eval_scatter(const EvalArgs& a) {
  kernels::fill(a.out[0], 0);
  kernels::scatter_add(a.in[0], a.in[1], static_cast<int>(a.as<ScatterAttrs>().dim), a.out[0]);
}

Tensors vjp_scatter(const VjpArgs& a) { return {gather(a.grad[0], a.as<ScatterAttrs>().dim, a.in[1]), Tensor()}; }

}  // namespace

const OpDef kGather{.name = "gather",
                    .attrs = &attrs_of<IndexAttrs>,
                    .operands = {2, 2},
                    .infer = infer_gather,
                    .eval = eval_gather,
                    .vjp = vjp_gather,
                    .keeps = {.inputs = {1}, .input_specs = true}};
/// Zeros of `shape` with the input's elements added at the index: the gradient of gather.
const OpDef kScatterAdd{.name = "scatter_add",
                        .attrs = &attrs_of<ScatterAttrs>,
                        .operands = {2, 2},
                        .infer = infer_scatter,
                        .eval = eval_scatter,
                        .vjp = vjp_scatter,
                        .keeps = {.inputs = {1}}};

Tensor gather(const Tensor& x, int64_t dim, const Tensor& index) {
  return apply(kGather, {x, index}, IndexAttrs{wrap_dim(dim, x.shape().size())});
}

Tensor one_hot(const Tensor& index, int64_t classes, DType dtype) {
  CHECK(index.dtype() == DType::i64, "[one_hot] the index must be i64, it is {}", name_of(index.dtype()));
  return cast(eq(unsqueeze(index, -1), arange(classes)), dtype);
}

}  // namespace ingot
