#include <algorithm>

#include "kernels/reduce.h"
#include "ops/attrs.h"
#include "ops/defs.h"
#include "ops/ops.h"
#include "ops/rules.h"

namespace ingot {
namespace {

bool reduces(const ReduceAttrs& attrs, int64_t dim) {
  return std::find(attrs.dims.begin(), attrs.dims.end(), dim) != attrs.dims.end();
}

Results infer(const InferArgs& a) {
  const auto& attrs = a.as<ReduceAttrs>();
  Spec out = a.in[0];
  check_dims(attrs.dims, out.shape.size());
  CHECK(out.dtype != DType::f16, "f16 is for storage only; use cast()");
  out.shape = {};
  for (size_t d = 0; d < a.in[0].shape.size(); ++d) {
    if (!reduces(attrs, static_cast<int64_t>(d)))
      out.shape.push_back(a.in[0].shape[d]);
    else if (attrs.keepdim)
      out.shape.push_back(1);
  }
  if (out.shape.size() != a.in[0].shape.size()) out.layout = default_layout(out.shape.size());
  return out;
}

Results infer_sum(const InferArgs& a) {
  Results out = infer(a);
  if (out.specs[0].dtype == DType::boolean) out.specs[0].dtype = DType::i64;
  return out;
}

Results infer_extremum(const InferArgs& a) {
  check_dims(a.as<ReduceAttrs>().dims, a.in[0].shape.size());
  for (const int64_t d : a.as<ReduceAttrs>().dims)
    CHECK(!(a.in[0].shape[static_cast<size_t>(d)] == 0), "dimension {} of {} is empty and has no extremum", d,
          to_string(a.in[0].shape));
  return infer(a);
}

/// The result as kernels want it: the input's rank, with size 1 in the reduced dimensions.
Array kept(const Array& y, const Array& x, const auto& reduced) {
  if (y.rank == x.rank) return y;
  Array out = y;
  out.rank = x.rank;
  int at = 0;
  for (int d = 0; d < x.rank; ++d) {
    const bool gone = reduced(d);
    out.shape[d] = gone ? 1 : y.shape[at];
    out.strides[d] = gone ? 0 : y.strides[at];
    at += !gone;
  }
  return out;
}

template <kernels::Reduce kOp>
void eval(const EvalArgs& a) {
  const auto& attrs = a.as<ReduceAttrs>();
  kernels::reduce(kOp, a.in[0], kept(a.out[0], a.in[0], [&](int d) { return reduces(attrs, d); }));
}

// A result or its gradient with the reduced dimensions back as ones.
Tensor unreduced(const Tensor& y, const VjpArgs& a) {
  Shape shape = a.in_specs[0].shape;
  for (const int64_t d : a.as<ReduceAttrs>().dims) shape[static_cast<size_t>(d)] = 1;
  return reshape(y, shape);
}

Tensors vjp_sum(const VjpArgs& a) {
  if (!is_floating(a.in_specs[0].dtype)) return {Tensor()};
  return {expand(unreduced(a.grad[0], a), a.in_specs[0].shape)};
}

Tensors vjp_mean(const VjpArgs& a) {
  Dim count = 1;
  for (const int64_t d : a.as<ReduceAttrs>().dims) count = count * a.in_specs[0].shape[static_cast<size_t>(d)];
  return {expand(unreduced(a.grad[0] / size_tensor(count, a.grad[0].dtype()), a), a.in_specs[0].shape)};
}

// Ties share evenly.
Tensors vjp_extremum(const VjpArgs& a) {
  const Tensor hit = cast(eq(a.in[0], unreduced(a.out[0], a)), a.grad[0].dtype());
  return {hit / sum(hit, a.as<ReduceAttrs>().dims, true) * unreduced(a.grad[0], a)};
}

Results infer_argmax(const InferArgs& a) {
  check_dim(a.as<DimAttrs>().dim, a.in[0].shape.size());
  const auto d = static_cast<size_t>(a.as<DimAttrs>().dim);
  CHECK(!(a.in[0].shape[d] == 0), "dimension {} of {} is empty", d, to_string(a.in[0].shape));
  Shape shape = a.in[0].shape;
  shape.erase(d);
  return Spec{.shape = shape, .dtype = DType::i64, .layout = default_layout(shape.size())};
}

void eval_argmax(const EvalArgs& a) {
  const auto dim = static_cast<int>(a.as<DimAttrs>().dim);
  kernels::argmax(a.in[0], dim, kept(a.out[0], a.in[0], [&](int d) { return d == dim; }));
}

ReduceAttrs attrs_for(std::string_view op, const Tensor& x, std::vector<int64_t> dims, bool keepdim) {
  if (dims.empty())
    for (int64_t d = 0; d < x.rank(); ++d) dims.push_back(d);
  for (int64_t& d : dims) {
    CHECK(d >= -x.rank() && d < x.rank(), "[{}] dimension {} is outside the {} of {}", op, d, x.rank(),
          to_string(x.shape()));
    d = wrap_dim(d, x.shape().size());
  }
  std::sort(dims.begin(), dims.end());
  CHECK(std::adjacent_find(dims.begin(), dims.end()) == dims.end(), "[{}] a dimension is named twice", op);
  return {std::move(dims), keepdim};
}

}  // namespace

const OpDef kSum{.name = "sum",
                 .attrs = &attrs_of<ReduceAttrs>,
                 .infer = infer_sum,
                 .eval = eval<kernels::Reduce::sum>,
                 .vjp = vjp_sum,
                 .keeps = {.input_specs = true}};
const OpDef kMean{.name = "mean",
                  .attrs = &attrs_of<ReduceAttrs>,
                  .infer = infer,
                  .eval = eval<kernels::Reduce::mean>,
                  .vjp = vjp_mean,
                  .keeps = {.input_specs = true}};
const OpDef kAmax{.name = "amax",
                  .attrs = &attrs_of<ReduceAttrs>,
                  .infer = infer_extremum,
                  .eval = eval<kernels::Reduce::max>,
                  .vjp = vjp_extremum,
                  .keeps = {.inputs = {0}, .outputs = {0}, .input_specs = true}};
const OpDef kAmin{.name = "amin",
                  .attrs = &attrs_of<ReduceAttrs>,
                  .infer = infer_extremum,
                  .eval = eval<kernels::Reduce::min>,
                  .vjp = vjp_extremum,
                  .keeps = {.inputs = {0}, .outputs = {0}, .input_specs = true}};
const OpDef kArgmax{
    .name = "argmax", .attrs = &attrs_of<DimAttrs>, .infer = infer_argmax, .eval = eval_argmax, .vjp = no_gradient};

Tensor sum(const Tensor& x, std::vector<int64_t> dims, bool keepdim) {
  return apply(kSum, {x}, attrs_for("sum", x, std::move(dims), keepdim));
}
Tensor mean(const Tensor& x, std::vector<int64_t> dims, bool keepdim) {
  CHECK(is_floating(x.dtype()), "[mean] needs a floating tensor, it is {}; use cast()", name_of(x.dtype()));
  return apply(kMean, {x}, attrs_for("mean", x, std::move(dims), keepdim));
}
Tensor amax(const Tensor& x, std::vector<int64_t> dims, bool keepdim) {
  return apply(kAmax, {x}, attrs_for("amax", x, std::move(dims), keepdim));
}
Tensor amin(const Tensor& x, std::vector<int64_t> dims, bool keepdim) {
  return apply(kAmin, {x}, attrs_for("amin", x, std::move(dims), keepdim));
}

Tensor var(const Tensor& x, std::vector<int64_t> dims, int64_t correction, bool keepdim) {
  const ReduceAttrs attrs = attrs_for("var", x, std::move(dims), keepdim);
  Dim count = 1;
  for (const int64_t d : attrs.dims) count = count * x.size(d);
  const Tensor centred = square(x - mean(x, attrs.dims, true));
  return sum(centred, attrs.dims, keepdim) / maximum(size_tensor(count - correction, x.dtype()), 0.0);
}

Tensor argmax(const Tensor& x, int64_t dim, bool keepdim) {
  const int d = wrap_dim(dim, x.shape().size());
  const Tensor index = apply(kArgmax, {x}, DimAttrs{d});
  return keepdim ? unsqueeze(index, d) : index;
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  const size_t extra = x.shape().size() - shape.size();
  std::vector<int64_t> dims;
  for (size_t d = 0; d < x.shape().size(); ++d)
    if (d < extra || (shape[d - extra] == 1 && !(x.shape()[d] == 1))) dims.push_back(static_cast<int64_t>(d));
  return reshape(dims.empty() ? x : sum(x, dims, true), shape);
}

}  // namespace ingot
