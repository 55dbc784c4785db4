#include "kernels/pool.h"

#include "ops/attrs.h"
#include "ops/defs.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "tensor/symbols.h"

namespace ingot {
namespace {

// floor or ceil((size + pads - dilation (kernel-1) - 1) / stride) + 1; a last window must start inside the input or its
// left padding (PyTorch's rule).
Dim out_size(Dim size, int64_t kernel, int64_t stride, int64_t dilation, int64_t before, int64_t after,
             bool ceil_mode) {
  const Dim span = size + before + after - dilation * (kernel - 1) - 1;
  Dim out = floor_div(ceil_mode ? span + (stride - 1) : span, stride) + 1;
  if (!out.is_number()) return out;
  if (ceil_mode && (out.value() - 1) * stride >= size.value() + before) out = out - 1;
  CHECK(out.value() >= 1, "a window of {} with dilation {} does not fit the input of {} with padding {}", kernel,
        dilation, size.value(), before + after);
  return out;
}

Spec infer_pool(const InferArgs& a, const PoolAttrs& p) {
  const Spec& x = a.in[0];
  check_floating(x);
  check_rank(x, 4, "x [N,C,H,W]");
  CHECK(p.kernel.h >= 1 && p.kernel.w >= 1 && p.stride.h >= 1 && p.stride.w >= 1 && p.dilation.h >= 1 &&
            p.dilation.w >= 1,
        "kernel, stride and dilation must be at least 1");
  CHECK(std::max(p.padding.top, p.padding.bottom) * 2 <= p.kernel.h &&
            std::max(p.padding.left, p.padding.right) * 2 <= p.kernel.w &&
            std::min({p.padding.top, p.padding.left, p.padding.bottom, p.padding.right}) >= 0,
        "padding must be between 0 and half of the kernel {}x{}", p.kernel.h, p.kernel.w);
  Spec out = x;
  out.shape[2] =
      out_size(x.shape[2], p.kernel.h, p.stride.h, p.dilation.h, p.padding.top, p.padding.bottom, p.ceil_mode);
  out.shape[3] =
      out_size(x.shape[3], p.kernel.w, p.stride.w, p.dilation.w, p.padding.left, p.padding.right, p.ceil_mode);
  return out;
}

Results infer_max(const InferArgs& a) {
  const Spec y = infer_pool(a, a.as<PoolAttrs>());
  Spec index = y;
  index.dtype = DType::i32;
  return Results({y, index}, 1);
}

void eval_max(const EvalArgs& a) { kernels::max_pool2d(a.in[0], a.as<PoolAttrs>().geometry(), a.out[0], a.out[1]); }

PoolGradAttrs grad_attrs(const VjpArgs& a) {
  PoolGradAttrs attrs;
  static_cast<PoolAttrs&>(attrs) = a.as<PoolAttrs>();
  attrs.shape = a.in_specs[0].shape;
  return attrs;
}

Tensors vjp_max(const VjpArgs& a) { return {apply(kMaxPool2dGrad, {a.grad[0], a.saved[0]}, grad_attrs(a))}; }

// The gradient of the pooled [N,C,H',W'] for [N,C,H,W].
Results infer_window_grad(const InferArgs& a) {
  Spec out = a.in[0];
  out.shape = a.as<PoolGradAttrs>().shape;
  const Shape pooled = infer_pool({std::span(&out, 1), a.attrs}, a.as<PoolGradAttrs>()).shape;
  CHECK(equal_shapes(pooled, a.in[0].shape), "the gradient {} must be {}", to_string(a.in[0].shape), to_string(pooled));
  return out;
}

Results infer_max_grad(const InferArgs& a) {
  const Shape& shape = a.in[0].shape;
  CHECK(a.in[1].dtype == DType::i32 && equal_shapes(a.in[1].shape, shape), "the places must be i32{}, they are {}{}",
        to_string(shape), name_of(a.in[1].dtype), to_string(a.in[1].shape));
  return infer_window_grad(a);
}

void eval_max_grad(const EvalArgs& a) {
  kernels::max_pool2d_grad(a.in[0], a.in[1], a.as<PoolGradAttrs>().geometry(), a.out[0]);
}

// The op sends g to the places of the maxima; its gradient reads them there.
Tensors vjp_max_grad(const VjpArgs& a) {
  const Tensor flat = gather(flatten(a.grad[0], 2), 2, cast(flatten(a.in[1], 2), DType::i64));
  return {reshape(flat, a.in[1].shape()), Tensor()};
}

kernels::AvgPoolGeometry average(const PoolAttrs& p) {
  kernels::AvgPoolGeometry out;
  static_cast<PoolGeometry&>(out) = p.geometry();
  out.count_include_pad = p.count_include_pad;
  return out;
}

Results infer_avg(const InferArgs& a) { return infer_pool(a, a.as<PoolAttrs>()); }
void eval_avg(const EvalArgs& a) { kernels::avg_pool2d(a.in[0], average(a.as<PoolAttrs>()), a.out[0]); }

Tensors vjp_avg(const VjpArgs& a) { return {apply(kAvgPool2dGrad, {a.grad[0]}, grad_attrs(a))}; }

void eval_avg_grad(const EvalArgs& a) { kernels::avg_pool2d_grad(a.in[0], average(a.as<PoolGradAttrs>()), a.out[0]); }
Tensors vjp_avg_grad(const VjpArgs& a) {
  return {apply(kAvgPool2d, {a.grad[0]}, static_cast<const PoolAttrs&>(a.as<PoolGradAttrs>()))};
}

Results infer_adaptive(const InferArgs& a) {
  const Pair out_sides = a.as<AdaptivePoolAttrs>().output;
  check_floating(a.in[0]);
  check_rank(a.in[0], 4, "x [N,C,H,W]");
  CHECK(out_sides.h >= 1 && out_sides.w >= 1, "the output {}x{} must be at least 1x1", out_sides.h, out_sides.w);
  for (size_t d = 2; d < 4; ++d)
    CHECK(!(a.in[0].shape[d] == 0), "the planes of {} are empty", to_string(a.in[0].shape));
  Spec out = a.in[0];
  out.shape[2] = out_sides.h;
  out.shape[3] = out_sides.w;
  return out;
}
void eval_adaptive(const EvalArgs& a) { kernels::adaptive_avg_pool2d(a.in[0], a.out[0]); }
Tensors vjp_adaptive(const VjpArgs& a) {
  return {apply(kAdaptiveAvgPool2dGrad, {a.grad[0]}, ShapeAttrs{a.in_specs[0].shape})};
}
// The gradient of [N,C,H',W'] for [N,C,H,W].
Results infer_adaptive_grad(const InferArgs& a) {
  Spec out = a.in[0];
  out.shape = a.as<ShapeAttrs>().shape;
  check_floating(out);
  check_rank(a.in[0], 4, "the gradient");
  check_rank(out, 4, "the pooled tensor");
  CHECK(equal_sizes(out.shape[0], a.in[0].shape[0]) && equal_sizes(out.shape[1], a.in[0].shape[1]),
        "the gradient {} and the pooled tensor {} differ in samples or channels", to_string(a.in[0].shape),
        to_string(out.shape));
  for (size_t d = 2; d < 4; ++d) CHECK(!(out.shape[d] == 0), "the planes of {} are empty", to_string(out.shape));
  return out;
}
void eval_adaptive_grad(const EvalArgs& a) { kernels::adaptive_avg_pool2d_grad(a.in[0], a.out[0]); }
Tensors vjp_adaptive_grad(const VjpArgs& a) {
  const Shape& small = a.in_specs[0].shape;
  return {adaptive_avg_pool2d(a.grad[0], {small[2].value(), small[3].value()})};
}

PoolAttrs attrs_from(const PoolOptions& o) {
  return {o.kernel, o.stride.value_or(o.kernel), o.dilation, o.padding, o.ceil_mode, o.count_include_pad};
}

}  // namespace

const OpDef kMaxPool2d{.name = "max_pool2d",
                       .attrs = &attrs_of<PoolAttrs>,
                       .infer = infer_max,
                       .eval = eval_max,
                       .vjp = vjp_max,
                       .keeps = {.saved = {0}, .input_specs = true}};
const OpDef kMaxPool2dGrad{.name = "max_pool2d_grad",
                           .attrs = &attrs_of<PoolGradAttrs>,
                           .operands = {2, 2},
                           .infer = infer_max_grad,
                           .eval = eval_max_grad,
                           .vjp = vjp_max_grad,
                           .keeps = {.inputs = {1}}};
const OpDef kAvgPool2d{.name = "avg_pool2d",
                       .attrs = &attrs_of<PoolAttrs>,
                       .infer = infer_avg,
                       .eval = eval_avg,
                       .vjp = vjp_avg,
                       .keeps = {.input_specs = true}};
const OpDef kAvgPool2dGrad{.name = "avg_pool2d_grad",
                           .attrs = &attrs_of<PoolGradAttrs>,
                           .infer = infer_window_grad,
                           .eval = eval_avg_grad,
                           .vjp = vjp_avg_grad};
const OpDef kAdaptiveAvgPool2d{.name = "adaptive_avg_pool2d",
                               .attrs = &attrs_of<AdaptivePoolAttrs>,
                               .infer = infer_adaptive,
                               .eval = eval_adaptive,
                               .vjp = vjp_adaptive,
                               .keeps = {.input_specs = true}};
const OpDef kAdaptiveAvgPool2dGrad{.name = "adaptive_avg_pool2d_grad",
                                   .attrs = &attrs_of<ShapeAttrs>,
                                   .infer = infer_adaptive_grad,
                                   .eval = eval_adaptive_grad,
                                   .vjp = vjp_adaptive_grad,
                                   .keeps = {.input_specs = true}};

Tensor max_pool2d(const Tensor& x, const PoolOptions& options) { return apply(kMaxPool2d, {x}, attrs_from(options)); }
Tensor avg_pool2d(const Tensor& x, const PoolOptions& options) {
  CHECK(options.dilation == Pair(1), "[avg_pool2d] dilation is for max_pool2d only");
  return apply(kAvgPool2d, {x}, attrs_from(options));
}
Tensor adaptive_avg_pool2d(const Tensor& x, Pair output) {
  return apply(kAdaptiveAvgPool2d, {x}, AdaptivePoolAttrs{output});
}

}  // namespace ingot
