#include "kernels/batch_norm.h"

#include <cmath>

#include "kernels/elementwise.h"
#include "ops/attrs.h"
#include "ops/defs.h"
#include "ops/ops.h"
#include "ops/rules.h"

namespace ingot {
namespace {

// Statistics of bf16 data are f32.
DType stats_dtype(DType dtype) { return dtype == DType::f64 ? DType::f64 : DType::f32; }

Spec check_input(const InferArgs& a, size_t first_channel_input) {
  const Spec& x = a.in[0];
  check_floating(x);
  CHECK(x.shape.size() >= 2, "x must be [N,C,...], it is {}", to_string(x.shape));
  const size_t gamma = a.in.size() > 4 ? 3 : 1;
  CHECK(a.has(gamma) == a.has(gamma + 1), "gamma and beta come together");
  for (size_t i = first_channel_input; i < a.in.size(); ++i)
    if (a.in[i].defined) {
      check_floating(a.in[i]);
      CHECK(a.in[i].shape == Shape{x.shape[1]}, "statistics and parameters must be [{}], one is {}", x.shape[1].str(),
            to_string(a.in[i].shape));
    }
  return x;
}

Results infer_train(const InferArgs& a) {
  const Spec y = check_input({a.in.first(std::min<size_t>(a.in.size(), 3)), a.attrs}, 1);
  Dim count = 1;
  for (const int64_t d : all_but_channels(static_cast<int64_t>(y.shape.size())))
    count = count * y.shape[static_cast<size_t>(d)];
  CHECK(!(count == 1), "training needs more than one value a channel, x is {}", to_string(y.shape));
  if (a.has(3)) {
    check_same_dtype(y, a.in[3]);
    CHECK(a.in[3].shape == y.shape, "the residual {} must be {}", to_string(a.in[3].shape), to_string(y.shape));
  }
  const Spec stats{.shape = {y.shape[1]}, .dtype = stats_dtype(y.dtype)};
  return Results({y, stats, stats, stats}, 1);  // y, mean, var; saved: 1 / sqrt(var + eps)
}

double eps_of(const Attrs& attrs, bool fused) {
  return fused ? attrs.get<BatchNormFusedAttrs>().eps : attrs.get<BatchNormAttrs>().eps;
}

template <class T, class From = T>
void invert(const Array& var, double eps, const Array& out) {
  for (int64_t c = 0; c < var.shape[0]; ++c)
    out.as<T>()[c * out.strides[0]] =
        static_cast<T>(1 / std::sqrt(static_cast<double>(var.as<From>()[c * var.strides[0]]) + eps));
}

/// out = 1 / sqrt(var + eps); in scratch where `out` is absent.
Array inverse_std(const Array& var, double eps, const Array& out, void* scratch) {
  const Array invstd = out ? out : row_major(scratch, stats_dtype(var.dtype), {var.shape[0]});
  if (var.dtype == DType::f64) invert<double>(var, eps, invstd);
  if (var.dtype == DType::f32) invert<float>(var, eps, invstd);
  if (var.dtype == DType::bf16) invert<float, bf16>(var, eps, invstd);
  return invstd;
}

size_t scratch_stats(const EvalArgs& a) { return static_cast<size_t>(a.in[0].shape[1]) * sizeof(double); }

void eval_train_with(const EvalArgs& a, bool fused) {
  const Array &x = a.in[0], &y = a.out[0], &mean = a.out[1], &var = a.out[2];
  kernels::batch_norm_stats(x, mean, var);
  const Array invstd = inverse_std(var, eps_of(a.attrs, fused), a.out[3], a.scratch);
  kernels::batch_norm_apply(x, mean, invstd, a.input(1), a.input(2), fused ? a.input(3) : Array{},
                            fused && a.as<BatchNormFusedAttrs>().relu, y);
}
void eval_train(const EvalArgs& a) { eval_train_with(a, false); }
void eval_train_fused(const EvalArgs& a) { eval_train_with(a, true); }

/// x, g, gamma or none, mean, invstd, y or none, beta or none -> dx, dgamma, dbeta, and dresidual where there is one.
/// The ReLU's mask is read from y after a residual and computed again from x, which is read anyway, without one.
Tensors gradients(const VjpArgs& a, const BatchNormFusedAttrs& attrs) {
  const bool residual = a.in.size() > 3 && a.in_specs[3].defined;
  const auto input = [&](size_t i) { return a.in.size() > i ? a.in[i] : Tensor(); };
  BatchNormGradAttrs grad_attrs{attrs, residual};
  Tensors grads =
      apply_all(kBatchNormGrad,
                {a.in[0], a.grad[0], input(1), a.out[1], a.saved[0], attrs.relu && residual ? a.out[0] : Tensor(),
                 attrs.relu && !residual ? input(2) : Tensor()},
                grad_attrs);
  grads.resize(a.wants.size());
  for (size_t i = 0; i < grads.size(); ++i)
    if (!a.wants[i]) grads[i] = Tensor();
  return grads;
}

Tensors vjp_train(const VjpArgs& a) {
  if (!a.grad[0].defined()) return {};
  return gradients(a, {a.as<BatchNormAttrs>().eps, false});
}
Tensors vjp_train_fused(const VjpArgs& a) {
  if (!a.grad[0].defined()) return {};
  return gradients(a, a.as<BatchNormFusedAttrs>());
}

Tensors expand_train_fused(const ExpandArgs& a) {
  const auto& attrs = a.as<BatchNormFusedAttrs>();
  const auto optional = [&](size_t i) { return a.input(i).defined() ? std::optional(a.input(i)) : std::nullopt; };
  BatchNormResult r = batch_norm_train(a.in[0], optional(1), optional(2), attrs.eps);
  if (a.input(3).defined()) r.y = r.y + a.input(3);
  return {attrs.relu ? relu(r.y) : r.y, r.mean, r.var};
}

Results infer_grad(const InferArgs& a) {
  const Spec& x = a.in[0];
  check_floating(x);
  CHECK(x.shape.size() >= 2, "x must be [N,C,...], it is {}", to_string(x.shape));
  for (size_t i = 1; i < a.in.size(); ++i) {
    if (!a.in[i].defined) continue;
    const bool like_x = i == 1 || i == 5;  // g and y
    check_floating(a.in[i]);
    if (like_x) check_same_dtype(x, a.in[i]);
    CHECK(a.in[i].shape == (like_x ? x.shape : Shape{x.shape[1]}), "operand {} is {}, x is {}", i,
          to_string(a.in[i].shape), to_string(x.shape));
  }
  const auto& attrs = a.as<BatchNormGradAttrs>();
  CHECK(!attrs.residual || !attrs.relu || a.has(5), "the mask after a residual is that of y, which is missing");
  const Spec channel{.shape = {x.shape[1]}, .dtype = x.dtype};
  if (attrs.residual) return Results({x, channel, channel, x});
  return Results({x, channel, channel});
}

void eval_grad(const EvalArgs& a) {
  const auto& attrs = a.as<BatchNormGradAttrs>();
  const kernels::ReluMask mask{.relu = attrs.relu, .y = a.input(5), .beta = a.input(6)};
  kernels::batch_norm_grad(a.in[0], mask, a.in[1], a.in[3], a.in[4], a.input(2), a.out[0], a.out[1], a.out[2],
                           attrs.residual ? a.out[3] : Array{});
}

// dx = gamma/std (g - mean(g) - xhat mean(g xhat)), with the statistics as functions of x: differentiated again, this
// gives the full second derivative.
Tensors expand_grad(const ExpandArgs& a) {
  const Tensor& x = a.in[0];
  const auto dims = all_but_channels(x.rank());
  const auto& attrs = a.as<BatchNormGradAttrs>();
  const auto per_channel_or = [&](size_t i, double otherwise) {
    return a.input(i).defined() ? per_channel(a.input(i), x.rank()) : scalar(otherwise, x.dtype());
  };
  const Tensor gamma = per_channel_or(2, 1), centred = x - mean(x, dims, true);
  const Tensor invstd = rsqrt(mean(square(centred), dims, true) + attrs.eps);
  const Tensor xhat = centred * invstd;
  Tensor g = a.in[1];
  if (attrs.relu) {
    const Tensor y = a.input(5).defined() ? a.input(5) : xhat * gamma + per_channel_or(6, 0);
    g = where(detach(y) > 0.0, g, scalar(0, g.dtype()));
  }
  const Tensor scaled = g * gamma;
  const Tensor dx = invstd * (scaled - mean(scaled, dims, true) - xhat * mean(scaled * xhat, dims, true));
  Tensors grads{dx, sum(g * xhat, dims), sum(g, dims)};
  if (attrs.residual) grads.push_back(g);
  return grads;
}

Results infer_inference(const InferArgs& a) { return check_input(a, 1); }

void eval_inference_with(const EvalArgs& a, bool relu) {
  const Array invstd = inverse_std(a.in[2], a.as<BatchNormAttrs>().eps, {}, a.scratch);
  kernels::batch_norm_apply(a.in[0], a.in[1], invstd, a.input(3), a.input(4), {}, relu, a.out[0]);
}
void eval_inference(const EvalArgs& a) { eval_inference_with(a, false); }
void eval_inference_relu(const EvalArgs& a) { eval_inference_with(a, true); }

// y = (x - mean) s gamma + beta, s = (var + eps)^-1/2; ds/dvar = -s^3 / 2
Tensors vjp_inference(const VjpArgs& a) {
  const Tensor &x = a.in[0], &g = a.grad[0];
  const auto dims = all_but_channels(x.rank());
  const auto wants = [&](size_t i) { return i < a.wants.size() && a.wants[i]; };
  const Tensor invstd = rsqrt(a.in[2] + a.as<BatchNormAttrs>().eps);
  const bool affine = a.in.size() > 3 && a.in[3].defined();
  const Tensor scale = affine ? invstd * a.in[3] : invstd;
  const Tensor sum_g = sum(g, dims), sum_gx = sum(g * (x - per_channel(a.in[1], x.rank())), dims);
  Tensors out(a.wants.size());
  if (wants(0)) out[0] = g * per_channel(scale, x.rank());
  if (wants(1)) out[1] = -sum_g * scale;
  if (wants(2)) out[2] = sum_gx * scale * square(invstd) * -0.5;
  if (wants(3)) out[3] = sum_gx * invstd;
  if (wants(4)) out[4] = sum_g;
  return out;
}

std::optional<Tensor> none_or(const std::optional<Tensor>& x) { return x && x->defined() ? x : std::nullopt; }

Tensors expand_inference_relu(const ExpandArgs& a) {
  const double eps = a.as<BatchNormAttrs>().eps;
  return {relu(batch_norm(a.in[0], a.in[1], a.in[2], none_or(a.input(3)), none_or(a.input(4)), eps))};
}

BatchNormResult result_of(Tensors out) { return {out[0], detach(out[1]), detach(out[2])}; }

}  // namespace

const OpDef kBatchNormTrain{.name = "batch_norm_train",
                            .attrs = &attrs_of<BatchNormAttrs>,
                            .operands = {1, 3, 0b110},
                            .infer = infer_train,
                            .scratch = scratch_stats,
                            .eval = eval_train,
                            .vjp = vjp_train,
                            .keeps = {.inputs = {0, 1}, .outputs = {1}, .saved = {0}, .input_specs = true}};
const OpDef kBatchNormTrainFused{.name = "batch_norm_train_fused",
                                 .attrs = &attrs_of<BatchNormFusedAttrs>,
                                 .operands = {1, 4, 0b1110},
                                 .infer = infer_train,
                                 .scratch = scratch_stats,
                                 .eval = eval_train_fused,
                                 .vjp = vjp_train_fused,
                                 .keeps = {.inputs = {0, 1, 2}, .outputs = {0, 1}, .saved = {0}, .input_specs = true},
                                 .expand = expand_train_fused};
const OpDef kBatchNormGrad{.name = "batch_norm_grad",
                           .attrs = &attrs_of<BatchNormGradAttrs>,
                           .operands = {5, 7, 0b1100100},
                           .infer = infer_grad,
                           .eval = eval_grad,
                           .expand = expand_grad};
const OpDef kBatchNorm{.name = "batch_norm",
                       .attrs = &attrs_of<BatchNormAttrs>,
                       .operands = {3, 5, 0b11000},
                       .infer = infer_inference,
                       .scratch = scratch_stats,
                       .eval = eval_inference,
                       .vjp = vjp_inference,
                       .keeps = {.inputs = {0, 1, 2, 3}}};
const OpDef kBatchNormRelu{.name = "batch_norm_relu",
                           .attrs = &attrs_of<BatchNormAttrs>,
                           .operands = {3, 5, 0b11000},
                           .infer = infer_inference,
                           .scratch = scratch_stats,
                           .eval = eval_inference_relu,
                           .expand = expand_inference_relu};

BatchNormResult batch_norm_train(const Tensor& x, const std::optional<Tensor>& gamma, const std::optional<Tensor>& beta,
                                 double eps) {
  return result_of(apply_all(kBatchNormTrain, {x, none_or(gamma).value_or(Tensor()), none_or(beta).value_or(Tensor())},
                             BatchNormAttrs{eps}));
}

BatchNormResult batch_norm_train_fused(const Tensor& x, const std::optional<Tensor>& gamma,
                                       const std::optional<Tensor>& beta, const std::optional<Tensor>& residual,
                                       bool relu, double eps) {
  return result_of(apply_all(
      kBatchNormTrainFused,
      {x, none_or(gamma).value_or(Tensor()), none_or(beta).value_or(Tensor()), none_or(residual).value_or(Tensor())},
      BatchNormFusedAttrs{eps, relu}));
}

Tensor batch_norm(const Tensor& x, const Tensor& mean, const Tensor& var, const std::optional<Tensor>& gamma,
                  const std::optional<Tensor>& beta, double eps) {
  return apply(kBatchNorm, {x, mean, var, none_or(gamma).value_or(Tensor()), none_or(beta).value_or(Tensor())},
               BatchNormAttrs{eps});
}

Tensor batch_norm_relu(const Tensor& x, const Tensor& mean, const Tensor& var, const std::optional<Tensor>& gamma,
                       const std::optional<Tensor>& beta, double eps) {
  return apply(kBatchNormRelu, {x, mean, var, none_or(gamma).value_or(Tensor()), none_or(beta).value_or(Tensor())},
               BatchNormAttrs{eps});
}

}  // namespace ingot
