#include "kernels/conv_onednn.h"
#include "kernels/conv_problem.h"

namespace ingot::kernels {

using namespace onednn;
using dnnl::memory;

namespace {

struct GradPlan {
  Primitive grad, reorder;   // no grad: the plain kernel; no reorder: the weights fit as they are
  memory::desc weight;       // the layout that grad reads or writes
  DType dtype = DType::f32;  // what grad computes in
};

// Convolves in bf16 only where both the arrays and the CPU have it.
template <class Choose>
GradPlan choose(DType dtype, Choose choose_in) {
  if (dtype == DType::f64) return {};
  for (const DType type : {DType::bf16, DType::f32}) {
    if (type == DType::bf16 && (dtype != type || !has_bf16())) continue;
    if (GradPlan plan = unless_refused([&] { return choose_in(type); }); plan.grad) return plan;
  }
  return {};
}

GradPlan choose_grad_input(const Array& g, const Array& weight, const ConvGeometry& geometry, const Array& dx,
                           DType type) {
  using Backward = dnnl::convolution_backward_data;
  const ConvProblem p(type, dx, weight, g, geometry);
  const auto forward_op = forward_desc(p, false);
  const dnnl::convolution_forward::primitive_desc forward(forward_op, user_scratch(), engine(), /*allow_empty=*/true);
  if (!forward) return {};
  const Backward::desc desc(dnnl::algorithm::convolution_direct, p.x_desc(), p.weight_desc(type), p.y_desc(), p.stride,
                            p.dilation, p.pad_begin, p.pad_end);
  Backward::primitive_desc chosen(desc, user_scratch(), engine(), forward, /*allow_empty=*/true);
  const auto grad =
      make_primitive<Backward>(chosen, {DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_SRC, DNNL_ARG_SCRATCHPAD});
  if (!grad) return {};
  return {.grad = grad, .weight = chosen.weights_desc(), .dtype = type};
}

/// Whether a place of the kernel lies in the padding for every result along one dimension.
bool some_tap_is_padding(int64_t size, int64_t results, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad) {
  const auto meets_data = [&](int64_t tap) {
    for (int64_t i = 0; i < results; ++i)
      if (const int64_t at = i * stride - pad + tap * dilation; at >= 0 && at < size) return true;
    return false;
  };
  for (int64_t tap = 0; tap < kernel; ++tap)
    if (!meets_data(tap)) return true;
  return false;
}
bool some_tap_is_padding(const Array& x, const Array& g, const Array& dw, const ConvGeometry& c) {
  return some_tap_is_padding(x.shape[2], g.shape[2], dw.shape[2], c.stride.h, c.dilation.h, c.padding.top) ||
         some_tap_is_padding(x.shape[3], g.shape[3], dw.shape[3], c.stride.w, c.dilation.w, c.padding.left);
}

// The gradient of the weight comes in f32 whatever the activations are. oneDNN 2.6's bf16 kernels leave scratch's old
// bytes at places of the kernel that never meet data.
GradPlan choose_grad_weight(const Array& x, const Array& g, const ConvGeometry& geometry, const Array& dw, DType type) {
  using Backward = dnnl::convolution_backward_weights;
  if (type == DType::bf16 && some_tap_is_padding(x, g, dw, geometry)) return {};
  const ConvProblem p(type, x, dw, g, geometry);
  const auto forward_op = forward_desc(p, false);
  const dnnl::convolution_forward::primitive_desc forward(forward_op, user_scratch(), engine(), /*allow_empty=*/true);
  if (!forward) return {};
  const Backward::desc desc(dnnl::algorithm::convolution_direct, p.x_desc(), p.weight_desc(DType::f32), p.y_desc(),
                            p.stride, p.dilation, p.pad_begin, p.pad_end);
  Backward::primitive_desc chosen(desc, user_scratch(), engine(), forward, /*allow_empty=*/true);
  const auto grad =
      make_primitive<Backward>(chosen, {DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_SCRATCHPAD});
  if (!grad) return {};
  return {.grad = grad, .weight = chosen.diff_weights_desc(), .dtype = type};
}

bool needs_dense(const Array& weight, DType dtype) { return weight.dtype != dtype || is_broadcast(weight); }

memory::desc dense_desc(const Array& weight, DType dtype, int64_t groups) {
  return weight_desc(needs_dense(weight, dtype) ? channels_last(weight, dtype, nullptr) : weight, groups);
}

Key grad_key(Op op, const Array& x, const Array& weight, const Array& y, const ConvGeometry& geometry) {
  Key key = conv_key(op, x, weight, y, geometry);
  for (int d = 0; d < weight.rank; ++d) key.add(weight.strides[d]);
  return key;
}

std::shared_ptr<const GradPlan> grad_input_plan(const Array& g, const Array& w, const ConvGeometry& geometry,
                                                const Array& dx) {
  return cached_plan<GradPlan>(grad_key(kConvGradInput, dx, w, g, geometry), [&] {
    GradPlan plan = choose(dx.dtype, [&](DType type) { return choose_grad_input(g, w, geometry, dx, type); });
    if (!plan.grad) return plan;
    const memory::desc from = dense_desc(w, plan.dtype, geometry.groups);
    if (!same_layout(from, plan.weight)) plan.reorder = make_reorder(from, plan.weight);
    return plan;
  });
}

std::shared_ptr<const GradPlan> grad_weight_plan(const Array& x, const Array& g, const ConvGeometry& geometry,
                                                 const Array& dw) {
  return cached_plan<GradPlan>(grad_key(kConvGradWeight, x, dw, g, geometry), [&] {
    GradPlan plan = choose(x.dtype, [&](DType type) { return choose_grad_weight(x, g, geometry, dw, type); });
    if (!plan.grad) return plan;
    const memory::desc to = dense_desc(dw, DType::f32, geometry.groups);
    if (!same_layout(plan.weight, to)) plan.reorder = make_reorder(plan.weight, to);
    return plan;
  });
}

/// Two activations, the weight in its dense form and in oneDNN's, and scratch of the two primitives.
struct Buffers {
  Array a, b, dense;
  void *weight, *grad_scratch, *reorder_scratch;
};

Buffers place(const GradPlan& plan, const Array& a, const Array& b, const Array& weight, DType weight_dtype,
              Scratch& scratch) {
  Buffers buffers{.a = staged(a, plan.dtype, scratch), .b = staged(b, plan.dtype, scratch), .dense = weight};
  if (needs_dense(weight, weight_dtype))
    buffers.dense = channels_last(weight, weight_dtype, scratch.take(weight.numel() * size_of(weight_dtype)));
  buffers.weight = plan.reorder ? scratch.take(plan.weight.get_size()) : buffers.dense.data;
  buffers.grad_scratch = scratch.take(plan.grad.scratch_bytes());
  buffers.reorder_scratch = scratch.take(plan.reorder.scratch_bytes());
  return buffers;
}

bool is_empty(const Array& a, const Array& b) { return a.numel() == 0 || b.numel() == 0; }

}  // namespace

size_t conv_onednn_grad_input_scratch(const Array& g, const Array& weight, const ConvGeometry& geometry,
                                      const Array& dx) {
  if (is_empty(g, dx)) return 0;
  const auto plan = grad_input_plan(g, weight, geometry, dx);
  Scratch scratch(nullptr);
  if (plan->grad) place(*plan, g, dx, weight, plan->dtype, scratch);
  return scratch.used();
}

void conv_onednn_grad_input(const Array& g, const Array& weight, const ConvGeometry& geometry, const Array& dx,
                            void* memory) {
  if (is_empty(g, dx)) return fill_zero(dx);
  const auto plan = grad_input_plan(g, weight, geometry, dx);
  if (!plan->grad) return conv2d_grad_input_reference(g, weight, geometry, dx);
  Scratch scratch(memory);
  const Buffers b = place(*plan, g, dx, weight, plan->dtype, scratch);
  stage(g, b.a);
  if (b.dense.data != weight.data) copy_4d(weight, b.dense);
  if (plan->reorder) plan->reorder.run({{b.dense.data, b.weight, b.reorder_scratch}});
  plan->grad.run({{b.a.data, b.weight, b.b.data, b.grad_scratch}});
  stage(b.b, dx);
}

size_t conv_onednn_grad_weight_scratch(const Array& x, const Array& g, const ConvGeometry& geometry,
                                       const Array& dweight) {
  if (is_empty(x, g)) return 0;
  const auto plan = grad_weight_plan(x, g, geometry, dweight);
  Scratch scratch(nullptr);
  if (plan->grad) place(*plan, x, g, dweight, DType::f32, scratch);
  return scratch.used();
}

void conv_onednn_grad_weight(const Array& x, const Array& g, const ConvGeometry& geometry, const Array& dweight,
                             void* memory) {
  if (is_empty(x, g)) return fill_zero(dweight);
  const auto plan = grad_weight_plan(x, g, geometry, dweight);
  if (!plan->grad) return conv2d_grad_weight_reference(x, g, geometry, dweight);
  Scratch scratch(memory);
  const Buffers b = place(*plan, x, g, dweight, DType::f32, scratch);
  stage(x, b.a);
  stage(g, b.b);
  plan->grad.run({{b.a.data, b.b.data, b.weight, b.grad_scratch}});
  if (plan->reorder) plan->reorder.run({{b.weight, b.dense.data, b.reorder_scratch}});
  if (b.dense.data != dweight.data) copy_4d(b.dense, dweight);
}

std::string conv_onednn_grad_input_implementation(const Array& g, const Array& weight, const ConvGeometry& geometry,
                                                  const Array& dx) {
  const auto plan = grad_input_plan(g, weight, geometry, dx);
  return plan->grad ? plan->grad.implementation() : "plain";
}

std::string conv_onednn_grad_weight_implementation(const Array& x, const Array& g, const ConvGeometry& geometry,
                                                   const Array& dweight) {
  const auto plan = grad_weight_plan(x, g, geometry, dweight);
  return plan->grad ? plan->grad.implementation() : "plain";
}

}  // namespace ingot::kernels
