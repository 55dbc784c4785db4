#include "kernels/elementwise.h"
#include "ops/attrs.h"
#include "ops/defs.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "tensor/symbols.h"

namespace ingot {
namespace {

// A slice is a view: it starts `start` steps in and steps `step` times as far.
Dim length(const SliceAttrs& s) { return floor_div(s.end - s.start + (s.step - 1), s.step); }

void check_part(const SliceAttrs& s, const Shape& shape) {
  check_dim(s.dim, shape.size());
  CHECK(s.step >= 1, "step is {}, it must be at least 1", s.step);
  const Dim size = shape[static_cast<size_t>(s.dim)];
  if (s.start.is_number() && s.end.is_number() && size.is_number())
    CHECK(s.start >= 0 && s.start <= s.end && s.end <= size, "{}:{} is outside dimension {} of {}", s.start.value(),
          s.end.value(), s.dim, to_string(shape));
}

Results infer(const InferArgs& a) {
  const auto& s = a.as<SliceAttrs>();
  Spec out = a.in[0];
  check_part(s, out.shape);
  out.shape[static_cast<size_t>(s.dim)] = length(s);
  return out;
}

std::optional<View> view(const ViewArgs& a) {
  const auto& s = a.as<SliceAttrs>();
  View out{s.start.value() * a.in.strides[static_cast<size_t>(s.dim)], {}};
  for (int d = 0; d < a.in.rank; ++d) out.strides.push_back(a.in.strides[d] * (d == s.dim ? s.step : 1));
  return out;
}

Array part(const Array& x, const SliceAttrs& s) {
  return narrowed(x, static_cast<int>(s.dim), s.start.value(), length(s).value(), s.step);
}

void eval(const EvalArgs& a) { kernels::copy(part(a.in[0], a.as<SliceAttrs>()), a.out[0]); }

SliceGradAttrs grad_attrs(const SliceAttrs& s, const Shape& shape) {
  SliceGradAttrs out;
  static_cast<SliceAttrs&>(out) = s;
  out.shape = shape;
  return out;
}

Tensors vjp(const VjpArgs& a) {
  return {apply(kSliceGrad, {a.grad[0]}, grad_attrs(a.as<SliceAttrs>(), a.in_specs[0].shape))};
}

Results infer_grad(const InferArgs& a) {
  const auto& s = a.as<SliceGradAttrs>();
  check_part(s, s.shape);
  Spec out = a.in[0];
  out.shape = s.shape;
  out.shape[static_cast<size_t>(s.dim)] = length(s);
  CHECK(equal_shapes(a.in[0].shape, out.shape), "the gradient {} must be {}", to_string(a.in[0].shape),
        to_string(out.shape));
  out.shape = s.shape;
  return out;
}

void eval_grad(const EvalArgs& a) {
  kernels::fill(a.out[0], 0);
  kernels::copy(a.in[0], part(a.out[0], a.as<SliceGradAttrs>()));
}

Tensors vjp_grad(const VjpArgs& a) {
  return {apply(kSlice, {a.grad[0]}, static_cast<const SliceAttrs&>(a.as<SliceGradAttrs>()))};
}

// Counts from the end where negative and clamps into [0, size]. A symbolic size takes only bounds that need no
// clamping.
Dim bound(int64_t at, Dim size) {
  if (!size.is_number()) return at < 0 ? size + at : at == INT64_MAX ? size : Dim(at);
  if (at < 0) at += size.value();
  return std::clamp<int64_t>(at, 0, size.value());
}

}  // namespace

const OpDef kSlice{.name = "slice",
                   .attrs = &attrs_of<SliceAttrs>,
                   .infer = infer,
                   .view = view,
                   .eval = eval,
                   .vjp = vjp,
                   .keeps = {.input_specs = true}};
/// Zeros of `shape` with the input in the place that the slice took.
const OpDef kSliceGrad{
    .name = "slice_grad", .attrs = &attrs_of<SliceGradAttrs>, .infer = infer_grad, .eval = eval_grad, .vjp = vjp_grad};

Tensor slice(const Tensor& x, int64_t dim, int64_t start, int64_t end, int64_t step) {
  CHECK(step >= 1, "[slice] step is {}, it must be at least 1", step);
  const int d = wrap_dim(dim, x.shape().size());
  SliceAttrs s{d, bound(start, x.size(d)), bound(end, x.size(d)), step};
  if (s.start.is_number() && s.end.is_number()) s.end = std::max(s.end.value(), s.start.value());
  return apply(kSlice, {x}, s);
}

Tensor select(const Tensor& x, int64_t dim, int64_t index) {
  const int d = wrap_dim(dim, x.shape().size());
  const Dim size = x.size(d);
  if (size.is_number())
    CHECK(index >= -size.value() && index < size.value(), "[select] index {} is outside the {} of dimension {}", index,
          size.value(), dim);
  const Dim at = index < 0 ? size + index : Dim(index);
  Shape shape = x.shape();
  shape.erase(static_cast<size_t>(d));
  return reshape(apply(kSlice, {x}, SliceAttrs{d, at, at + 1, 1}), shape);
}

}  // namespace ingot
