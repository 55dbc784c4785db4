#include "kernels/layer_norm.h"

#include "ops/attrs.h"
#include "ops/defs.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "tensor/symbols.h"

namespace ingot {
namespace {

void check_input(const InferArgs& a, size_t first_parameter, size_t end) {
  const Spec& x = a.in[0];
  check_floating(x);
  CHECK(!x.shape.empty() && !(x.shape.back() == 0), "x must be [..., n] with n above 0, it is {}", to_string(x.shape));
  for (size_t i = first_parameter; i < std::min(end, a.in.size()); ++i)
    if (a.in[i].defined) {
      check_same_dtype(x, a.in[i]);
      CHECK(a.in[i].shape == Shape{x.shape.back()}, "gamma and beta must be [{}], one is {}", x.shape.back().str(),
            to_string(a.in[i].shape));
    }
}

Spec stats_of(const Spec& x) {
  Spec stats{.shape = x.shape, .dtype = x.dtype == DType::f64 ? DType::f64 : DType::f32};
  stats.shape.back() = 1;
  return stats;
}

Results infer(const InferArgs& a) {
  check_input(a, 1, 3);
  CHECK(a.has(1) || !a.has(2), "beta needs gamma");
  Spec y = a.in[0];
  y.layout = Layout::row_major;
  return Results({y, stats_of(y), stats_of(y)}, 2);  // y; saved: mean, rstd
}

void eval(const EvalArgs& a) {
  kernels::layer_norm(a.in[0], a.input(1), a.input(2), a.as<LayerNormAttrs>().eps, a.out[0], a.out[1], a.out[2]);
}

// x, g, mean, rstd, gamma or none -> dx, and dgamma, dbeta where there is a gamma.
Tensors vjp(const VjpArgs& a) {
  const Tensor gamma = a.in.size() > 1 ? a.in[1] : Tensor();
  Tensors grads = apply_all(kLayerNormGrad, {a.in[0], a.grad[0], a.saved[0], a.saved[1], gamma}, a.attrs);
  grads.resize(a.wants.size());
  return grads;
}

Results infer_grad(const InferArgs& a) {
  check_input(a, 4, 5);
  const Spec &x = a.in[0], stats = stats_of(x);
  check_same_dtype(x, a.in[1]);
  CHECK(equal_shapes(a.in[1].shape, x.shape), "the gradient {} must be {}", to_string(a.in[1].shape),
        to_string(x.shape));
  for (const size_t i : {2, 3})
    CHECK(a.in[i].dtype == stats.dtype && equal_shapes(a.in[i].shape, stats.shape), "statistics must be {}{}",
          name_of(stats.dtype), to_string(stats.shape));
  Spec dx = x;
  dx.layout = Layout::row_major;
  if (!a.has(4)) return dx;
  const Spec line{.shape = {x.shape.back()}, .dtype = x.dtype};
  return Results({dx, line, line});
}

void eval_grad(const EvalArgs& a) {
  const bool affine = a.out.size() > 1;
  kernels::layer_norm_grad(a.in[0], a.in[1], a.input(4), a.in[2], a.in[3], a.out[0], affine ? a.out[1] : Array{},
                           affine ? a.out[2] : Array{});
}

// With the statistics as functions of x: differentiated again, this gives the full second derivative.
Tensors expand_grad(const ExpandArgs& a) {
  const Tensor &x = a.in[0], &g = a.in[1], gamma = a.input(4);
  const Tensor centred = x - mean(x, {-1}, true);
  const Tensor rstd = rsqrt(mean(square(centred), {-1}, true) + a.as<LayerNormAttrs>().eps);
  const Tensor h = centred * rstd, u = gamma.defined() ? g * gamma : g;
  const Tensor dx = rstd * (u - mean(u, {-1}, true) - h * mean(u * h, {-1}, true));
  if (!gamma.defined()) return {dx};
  std::vector<int64_t> lines;
  for (int64_t d = 0; d + 1 < x.rank(); ++d) lines.push_back(d);
  return {dx, lines.empty() ? g * h : sum(g * h, lines), lines.empty() ? g : sum(g, lines)};
}

/// x over its trailing `dims` dimensions as lines: [..., n].
Tensor as_lines(const Tensor& x, size_t dims) {
  return dims == 1 ? x : flatten(x, x.rank() - static_cast<int64_t>(dims), -1);
}

Tensor scaled(const Tensor& y, const std::optional<Tensor>& gamma, const std::optional<Tensor>& beta) {
  Tensor out = gamma ? y * per_channel(*gamma, y.rank()) : y;
  return beta ? out + per_channel(*beta, y.rank()) : out;
}

}  // namespace

const OpDef kLayerNorm{.name = "layer_norm",
                       .attrs = &attrs_of<LayerNormAttrs>,
                       .operands = {1, 3, 0b110},
                       .infer = infer,
                       .eval = eval,
                       .vjp = vjp,
                       .keeps = {.inputs = {0, 1}, .saved = {0, 1}}};
const OpDef kLayerNormGrad{.name = "layer_norm_grad",
                           .attrs = &attrs_of<LayerNormAttrs>,
                           .operands = {4, 5, 0b10000},
                           .infer = infer_grad,
                           .eval = eval_grad,
                           .expand = expand_grad};

Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const std::optional<Tensor>& gamma,
                  const std::optional<Tensor>& beta, double eps) {
  const size_t dims = normalized_shape.size(), rank = x.shape().size();
  CHECK(dims >= 1 && dims <= rank &&
            std::equal(normalized_shape.begin(), normalized_shape.end(), x.shape().end() - static_cast<ptrdiff_t>(dims),
                       equal_sizes),
        "[layer_norm] x is {}, its last sizes must be {}", to_string(x.shape()), to_string(normalized_shape));
  for (const auto* parameter : {&gamma, &beta})
    CHECK(!*parameter || (*parameter)->shape() == normalized_shape, "[layer_norm] gamma and beta must be {}, one is {}",
          to_string(normalized_shape), to_string((*parameter)->shape()));
  const auto flat = [](const std::optional<Tensor>& p) { return p ? flatten(*p) : Tensor(); };
  const Tensor y = apply(kLayerNorm, {as_lines(x, dims), flat(gamma), flat(beta)}, LayerNormAttrs{eps});
  return dims == 1 ? y : reshape(y, x.shape());
}

Tensor group_norm(const Tensor& x, int64_t groups, const std::optional<Tensor>& gamma,
                  const std::optional<Tensor>& beta, double eps) {
  CHECK(x.rank() >= 2, "[group_norm] x must be [N,C,...], it is {}", to_string(x.shape()));
  CHECK(groups >= 1 && x.size(1) % groups == 0, "[group_norm] {} channels do not divide into {} groups", x.size(1),
        groups);
  Dim size = x.shape()[1] / groups;
  for (size_t d = 2; d < x.shape().size(); ++d) size = size * x.shape()[d];
  const Tensor lines = reshape(x, {x.shape()[0], groups, size});
  return scaled(reshape(apply(kLayerNorm, {lines}, LayerNormAttrs{eps}), x.shape()), gamma, beta);
}

Tensor instance_norm(const Tensor& x, const std::optional<Tensor>& gamma, const std::optional<Tensor>& beta,
                     double eps) {
  CHECK(x.rank() >= 3, "[instance_norm] x must be [N,C,...] with at least one more dimension, it is {}",
        to_string(x.shape()));
  const Tensor lines = flatten(x, 2);
  CHECK(!(lines.shape().back() == 1), "[instance_norm] needs more than one value a channel, x is {}",
        to_string(x.shape()));
  return scaled(reshape(apply(kLayerNorm, {lines}, LayerNormAttrs{eps}), x.shape()), gamma, beta);
}

}  // namespace ingot
