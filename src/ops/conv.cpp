#include "ops/conv.h"

#include <array>

#include "ops/defs.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "tensor/symbols.h"

namespace ingot {
namespace {

Dim out_size(Dim size, int64_t kernel, int64_t stride, int64_t dilation, int64_t pads) {
  const Dim out = floor_div(size + pads - dilation * (kernel - 1) - 1, stride) + 1;
  if (out.is_number())
    CHECK(out.value() >= 1, "a kernel of {} with dilation {} does not fit the input of {} with padding {}", kernel,
          dilation, size.value(), pads);
  return out;
}

void check_geometry(const Conv2dAttrs& c) {
  CHECK(c.stride.h >= 1 && c.stride.w >= 1, "stride {}x{} must be at least 1", c.stride.h, c.stride.w);
  CHECK(c.dilation.h >= 1 && c.dilation.w >= 1, "dilation {}x{} must be at least 1", c.dilation.h, c.dilation.w);
  CHECK(c.padding.top >= 0 && c.padding.left >= 0 && c.padding.bottom >= 0 && c.padding.right >= 0,
        "padding must not be negative");
  CHECK(c.groups >= 1, "groups is {}, it must be at least 1", c.groups);
}

Results infer(const InferArgs& a) { return infer_conv2d(a, a.as<Conv2dAttrs>()); }

size_t scratch(const EvalArgs& a) { return kernels::conv2d_scratch(conv2d_args(a)); }
void eval(const EvalArgs& a) { kernels::conv2d(conv2d_args(a), a.scratch); }

ConvGradAttrs grad_attrs(const Conv2dAttrs& c, const Shape& shape) {
  ConvGradAttrs out;
  static_cast<Conv2dAttrs&>(out) = c;
  out.shape = shape;
  return out;
}
Tensor grad_input(const Tensor& g, const Tensor& weight, const Conv2dAttrs& c, const Shape& x) {
  return apply(kConv2dGradInput, {g, weight}, grad_attrs(c, x));
}
Tensor grad_weight(const Tensor& x, const Tensor& g, const Conv2dAttrs& c, const Shape& weight) {
  return apply(kConv2dGradWeight, {x, g}, grad_attrs(c, weight));
}
Tensor forward(const Tensor& x, const Tensor& weight, const Conv2dAttrs& c) { return apply(kConv2d, {x, weight}, c); }

Tensors vjp(const VjpArgs& a) {
  const auto& c = a.as<Conv2dAttrs>();
  Tensors out{a.wants[0] ? grad_input(a.grad[0], a.in[1], c, a.in[0].shape()) : Tensor(),
              a.wants[1] ? grad_weight(a.in[0], a.grad[0], c, a.in[1].shape()) : Tensor()};
  if (a.wants.size() > 2) out.push_back(a.wants[2] ? sum(a.grad[0], {0, 2, 3}) : Tensor());
  return out;
}

/// The gradient as a spec, once the convolution of x and weight, one of which it belongs to, is seen to give g.
Results check_grad(const Spec& x, const Spec& weight, const Spec& g, const InferArgs& a) {
  const std::array<Spec, 2> operands{x, weight};
  const Spec y = infer_conv2d({operands, a.attrs}, a.as<ConvGradAttrs>());
  check_same_dtype(y, g);
  CHECK(equal_shapes(y.shape, g.shape), "the gradient {} must be {}", to_string(g.shape), to_string(y.shape));
  return Spec{.shape = a.as<ConvGradAttrs>().shape, .dtype = g.dtype, .layout = Layout::channels_last};
}
Spec spec_of_gradient(const InferArgs& a) { return {.shape = a.as<ConvGradAttrs>().shape, .dtype = a.in[0].dtype}; }
Results infer_grad_input(const InferArgs& a) { return check_grad(spec_of_gradient(a), a.in[1], a.in[0], a); }
Results infer_grad_weight(const InferArgs& a) { return check_grad(a.in[0], spec_of_gradient(a), a.in[1], a); }

size_t scratch_input(const EvalArgs& a) {
  return kernels::conv2d_grad_input_scratch(a.in[0], a.in[1], a.as<ConvGradAttrs>().geometry(), a.out[0]);
}
void eval_input(const EvalArgs& a) {
  kernels::conv2d_grad_input(a.in[0], a.in[1], a.as<ConvGradAttrs>().geometry(), a.out[0], a.scratch);
}

// The op is linear in g and in the weight, each gradient one of its two siblings.
Tensors vjp_input(const VjpArgs& a) {
  const auto& c = a.as<ConvGradAttrs>();
  return {a.wants[0] ? forward(a.grad[0], a.in[1], c) : Tensor(),
          a.wants[1] ? grad_weight(a.grad[0], a.in[0], c, a.in[1].shape()) : Tensor()};
}

size_t scratch_weight(const EvalArgs& a) {
  return kernels::conv2d_grad_weight_scratch(a.in[0], a.in[1], a.as<ConvGradAttrs>().geometry(), a.out[0]);
}
void eval_weight(const EvalArgs& a) {
  kernels::conv2d_grad_weight(a.in[0], a.in[1], a.as<ConvGradAttrs>().geometry(), a.out[0], a.scratch);
}

Tensors vjp_weight(const VjpArgs& a) {
  const auto& c = a.as<ConvGradAttrs>();
  return {a.wants[0] ? grad_input(a.in[1], a.grad[0], c, a.in[0].shape()) : Tensor(),
          a.wants[1] ? forward(a.in[0], a.grad[0], c) : Tensor()};
}

// ---- Fused with bias, residual and activation.

Results infer_fused(const InferArgs& a) {
  const Spec y = infer_conv2d(a, a.as<ConvFusedAttrs>());
  check_residual(a, 3, y);
  return y;
}

size_t scratch_fused(const EvalArgs& a) { return kernels::conv2d_scratch(conv2d_fused_args(a)); }
void eval_fused(const EvalArgs& a) { kernels::conv2d(conv2d_fused_args(a), a.scratch); }

Tensors expand_fused(const ExpandArgs& a) {
  return {expand_conv2d_fused(a.in[0], a.in[1], a.input(2), a.input(3), a.as<ConvFusedAttrs>())};
}

Conv2dAttrs attrs_from(const Conv2dOptions& o) { return {o.stride, o.padding, o.dilation, o.groups}; }

}  // namespace

Spec infer_conv2d(const InferArgs& a, const Conv2dAttrs& c) {
  const Spec &x = a.in[0], &w = a.in[1];
  check_floating(x);
  check_same_dtype(x, w);
  check_rank(x, 4, "x [N,C,H,W]");
  check_rank(w, 4, "weight [O,C/groups,KH,KW]");
  check_geometry(c);
  const Dim out_channels = w.shape[0];
  CHECK(out_channels.value() % c.groups == 0, "{} output channels do not divide into {} groups", out_channels.value(),
        c.groups);
  CHECK(equal_sizes(w.shape[1] * c.groups, x.shape[1]), "weight {} needs {} input channels, x is {}",
        to_string(w.shape), (w.shape[1] * c.groups).str(), to_string(x.shape));
  if (a.has(2) && a.in[2].dtype != DType::f32) check_same_dtype(x, a.in[2]);
  if (a.has(2))
    CHECK(a.in[2].shape == Shape{out_channels}, "bias {} must be [{}]", to_string(a.in[2].shape), out_channels.value());
  return {.shape = {x.shape[0], out_channels,
                    out_size(x.shape[2], w.shape[2], c.stride.h, c.dilation.h, c.padding.top + c.padding.bottom),
                    out_size(x.shape[3], w.shape[3], c.stride.w, c.dilation.w, c.padding.left + c.padding.right)},
          .dtype = x.dtype,
          .layout = Layout::channels_last};
}

void check_residual(const InferArgs& a, size_t operand, const Spec& y) {
  if (!a.has(operand)) return;
  const Spec& residual = a.in[operand];
  check_same_dtype(y, residual);
  CHECK(equal_shapes(residual.shape, y.shape), "the residual {} must be {}", to_string(residual.shape),
        to_string(y.shape));
}

Tensor expand_conv2d_fused(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& residual,
                           const ConvFusedAttrs& attrs) {
  const auto given = bias.defined() ? std::optional(bias) : std::nullopt;
  const Tensor y = conv2d(x, weight, given, {attrs.stride, attrs.padding, attrs.dilation, attrs.groups});
  return activate(residual.defined() ? y + residual : y, attrs.activation, attrs.alpha);
}

void set_activation(kernels::ConvArgs& args, Activation activation, double alpha) {
  const bool hardsigmoid = activation == Activation::hardsigmoid;  // clip(x / 6 + 1/2, 0, 1)
  args.activation = activation;
  args.alpha = hardsigmoid ? 1.0 / 6 : alpha;
  args.beta = hardsigmoid ? 0.5 : 0;
}

kernels::ConvArgs conv2d_args(const EvalArgs& a) {
  return {.x = a.in[0],
          .weight = a.in[1],
          .bias = a.input(2),
          .residual = {},
          .geometry = a.as<Conv2dAttrs>().geometry(),
          .y = a.out[0]};
}

kernels::ConvArgs conv2d_fused_args(const EvalArgs& a) {
  const auto& c = a.as<ConvFusedAttrs>();
  kernels::ConvArgs out{.x = a.in[0],
                        .weight = a.in[1],
                        .bias = a.input(2),
                        .residual = a.input(3),
                        .geometry = c.geometry(),
                        .y = a.out[0]};
  set_activation(out, c.activation, c.alpha);
  return out;
}

const OpDef kConv2d{.name = "conv2d",
                    .attrs = &attrs_of<Conv2dAttrs>,
                    .operands = {2, 3, 0b100},
                    .infer = infer,
                    .scratch = scratch,
                    .eval = eval,
                    .vjp = vjp,
                    .keeps = {.inputs = {0, 1}}};
const OpDef kConv2dGradInput{.name = "conv2d_grad_input",
                             .attrs = &attrs_of<ConvGradAttrs>,
                             .operands = {2, 2},
                             .infer = infer_grad_input,
                             .scratch = scratch_input,
                             .eval = eval_input,
                             .vjp = vjp_input,
                             .keeps = {.inputs = {0, 1}}};
const OpDef kConv2dGradWeight{.name = "conv2d_grad_weight",
                              .attrs = &attrs_of<ConvGradAttrs>,
                              .operands = {2, 2},
                              .infer = infer_grad_weight,
                              .scratch = scratch_weight,
                              .eval = eval_weight,
                              .vjp = vjp_weight,
                              .keeps = {.inputs = {0, 1}}};
const OpDef kConv2dFused{.name = "conv2d_fused",
                         .attrs = &attrs_of<ConvFusedAttrs>,
                         .operands = {2, 4, 0b1100},
                         .infer = infer_fused,
                         .scratch = scratch_fused,
                         .eval = eval_fused,
                         .expand = expand_fused};

Tensor conv2d(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias, const Conv2dOptions& options) {
  if (!bias) return apply(kConv2d, {x, weight}, attrs_from(options));
  return apply(kConv2d, {x, weight, *bias}, attrs_from(options));
}

Tensor conv2d_fused(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias,
                    const std::optional<Tensor>& residual, const Conv2dOptions& options, Activation activation,
                    double alpha) {
  ConvFusedAttrs attrs;
  static_cast<Conv2dAttrs&>(attrs) = attrs_from(options);
  attrs.activation = activation;
  attrs.alpha = alpha;
  return apply(kConv2dFused, {x, weight, bias.value_or(Tensor()), residual.value_or(Tensor())}, attrs);
}

}  // namespace ingot
