#include <cmath>

#include "dist/ops.h"
#include "dist/sync_batch_norm.h"
#include "ingot/collectives.h"
#include "ingot/ops.h"
#include "kernels/batch_norm.h"
#include "kernels/elementwise.h"
#include "ops/attrs.h"
#include "ops/rules.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

enum Row : int { kCount, kMean, kM2, kRows };

Tensor row(const Tensor& stats, Row r) { return reshape(slice(stats, 0, r, r + 1), {stats.size(1)}); }
Tensor none_or(const std::optional<Tensor>& x) { return x.value_or(Tensor()); }

Spec check_input(const Spec& x) {
  check_floating(x);
  CHECK(x.shape.size() >= 2, "x must be [N,C,...], it is {}", to_string(x.shape));
  return x;
}
Spec stats_spec(const Dim& channels) { return {.shape = {kRows, channels}, .dtype = DType::f64}; }
void check_stats(const Spec& stats, const Dim& channels) {
  CHECK(stats.dtype == DType::f64 && stats.shape == (Shape{kRows, channels}), "statistics are {} {}, not f64 {}",
        name_of(stats.dtype), to_string(stats.shape), to_string(Shape{kRows, channels}));
}
void check_channels(const InferArgs& a, std::initializer_list<size_t> inputs) {
  for (const size_t i : inputs)
    if (a.has(i))
      CHECK(a.in[i].shape == Shape{a.in[0].shape[1]}, "gamma and beta must be [{}], one is {}", a.in[0].shape[1].str(),
            to_string(a.in[i].shape));
}

// ---- Local statistics

void stats_into(const Array& x, double* out) {
  const int64_t channels = x.shape[1], count = channels == 0 ? 0 : x.numel() / channels;
  double *const mean = out + channels, *const m2 = mean + channels;
  std::fill(out, m2 + channels, 0.0);
  if (count == 0) return;
  std::fill(out, mean, static_cast<double>(count));
  kernels::batch_norm_stats(x, row_major(mean, DType::f64, {channels}), row_major(m2, DType::f64, {channels}));
  for (int64_t c = 0; c < channels; ++c) m2[c] *= static_cast<double>(count);
}

/// Merges the ranks' statistics, one after another, into the first ones.
void merge(const double* all, int64_t ranks, int64_t channels, double* out) {
  std::copy(all, all + kRows * channels, out);
  for (int64_t r = 1; r < ranks; ++r) {
    const double* const b = all + r * kRows * channels;
    for (int64_t c = 0; c < channels; ++c) {
      double &n = out[c], &mean = out[channels + c], &m2 = out[2 * channels + c];
      const double nb = b[c], d = b[channels + c] - mean, together = n + nb;
      if (nb == 0) continue;
      mean += d * nb / together;
      m2 += b[2 * channels + c] + d * d * n * nb / together;
      n = together;
    }
  }
}

Results infer_stats(const InferArgs& a) { return stats_spec(check_input(a.in[0]).shape[1]); }
size_t stats_bytes(int64_t channels) { return static_cast<size_t>(kRows * channels) * sizeof(double); }
size_t scratch_stats(const EvalArgs& a) { return stats_bytes(a.in[0].shape[1]); }
void eval_stats(const EvalArgs& a) {
  auto* const stats = static_cast<double*>(a.scratch);
  stats_into(a.in[0], stats);
  kernels::copy(row_major(stats, DType::f64, {kRows, a.in[0].shape[1]}), a.out[0]);
}

Tensors vjp_stats(const VjpArgs& a) {
  const Tensor &x = a.in[0], &stats = a.out[0], &g = a.grad[0];
  const auto channel = [&](const Tensor& v) { return per_channel(v, x.rank()); };
  const Tensor n = maximum(row(stats, kCount), scalar(1, DType::f64));  // of an empty x there is nothing to divide
  const Tensor centred = cast(x, DType::f64) - channel(row(stats, kMean));
  return {cast(channel(row(g, kMean) / n) + centred * channel(row(g, kM2) * 2.0), x.dtype())};
}

// ---- Those of all ranks

Results infer_merge(const InferArgs& a) {
  CHECK(a.in[0].shape.size() == 2, "statistics must be [3,C], they are {}", to_string(a.in[0].shape));
  check_stats(a.in[0], a.in[0].shape[1]);
  return a.in[0];
}

/// The one all-gather. `all` has room for the statistics of every rank.
void gather(GroupId id, const double* mine, double* all, int64_t channels, double* out) {
  Communicator& ranks = group(id);
  ranks.all_gather(mine, all, kRows * channels, DType::f64).wait();
  merge(all, ranks.size(), channels, out);
}

size_t scratch_merge(const EvalArgs& a) {
  const auto ranks = static_cast<size_t>(group(a.as<GroupAttrs>().group).size());
  return stats_bytes(a.in[0].shape[1]) * (ranks + 2);
}
void eval_merge(const EvalArgs& a) {
  const int64_t channels = a.in[0].shape[1];
  auto* const mine = static_cast<double*>(a.scratch);
  double *const merged = mine + kRows * channels, *const all = merged + kRows * channels;
  kernels::copy(a.in[0], row_major(mine, DType::f64, {kRows, channels}));
  gather(a.as<GroupAttrs>().group, mine, all, channels, merged);
  kernels::copy(row_major(merged, DType::f64, {kRows, channels}), a.out[0]);
}

// With m the mean of all: mean = sum n_r mean_r / n, M2 = sum M2_r + n_r (mean_r - m)^2.
Tensors vjp_merge(const VjpArgs& a) {
  const Tensor &mine = a.in[0], &merged = a.out[0];
  const Tensor g = all_reduce(slice(a.grad[0], 0, kMean, kRows), ReduceOp::sum, a.as<GroupAttrs>().group);
  const Tensor g_mean = reshape(slice(g, 0, 0, 1), {g.size(1)}), g_m2 = reshape(slice(g, 0, 1, 2), {g.size(1)});
  const Tensor n = row(mine, kCount), total = maximum(row(merged, kCount), scalar(1, DType::f64));
  const Tensor d = row(mine, kMean) - row(merged, kMean);
  return {stack({g_mean * 0.0, n / total * g_mean + n * d * g_m2 * 2.0, g_m2})};
}

// ---- Normalising

void check_apply(const InferArgs& a) {
  check_stats(a.in[1], check_input(a.in[0]).shape[1]);
  check_channels(a, {2, 3});
}
Results infer_apply(const InferArgs& a) {
  check_apply(a);
  return a.in[0];
}

/// 1 / sqrt(M2 / n + eps), in f64; 0 of nothing.
void inverse_std(const double* stats, int64_t channels, double eps, double* out) {
  for (int64_t c = 0; c < channels; ++c) {
    const double n = stats[c];
    out[c] = n == 0 ? 0 : 1 / std::sqrt(stats[2 * channels + c] / n + eps);
  }
}

/// Statistics as contiguous numbers, and what follows from them.
struct Merged {
  Merged(double* memory, int64_t channel_count) : channels(channel_count), stats(memory) {}
  static int64_t numbers(int64_t channels) { return (kRows + 1) * channels; }
  void invert(double eps) { inverse_std(stats, channels, eps, stats + kRows * channels); }
  Array all() const { return row_major(stats, DType::f64, {kRows, channels}); }
  Array mean() const { return row_major(stats + channels, DType::f64, {channels}); }
  Array invstd() const { return row_major(stats + kRows * channels, DType::f64, {channels}); }
  double count() const { return channels == 0 ? 0 : stats[0]; }

  int64_t channels;
  double* stats;
};

size_t scratch_apply(const EvalArgs& a) {
  return static_cast<size_t>(Merged::numbers(a.in[0].shape[1])) * sizeof(double);
}
void eval_apply(const EvalArgs& a) {
  Merged merged(static_cast<double*>(a.scratch), a.in[0].shape[1]);
  kernels::copy(a.in[1], merged.all());
  merged.invert(a.as<BatchNormAttrs>().eps);
  kernels::batch_norm_apply(a.in[0], merged.mean(), merged.invstd(), a.input(2), a.input(3), {}, false, a.out[0]);
}

/// xhat, gamma or 1, and beta or 0 of x and statistics by plain ops.
struct PlainNorm {
  Tensor xhat, invstd;
  PlainNorm(const Tensor& x, const Tensor& stats, double eps) {
    const auto channel = [&](const Tensor& v) { return per_channel(v, x.rank()); };
    const Tensor n = maximum(row(stats, kCount), scalar(1, DType::f64));
    invstd = channel(rsqrt(row(stats, kM2) / n + eps));
    xhat = (cast(x, DType::f64) - channel(row(stats, kMean))) * invstd;
  }
};
Tensor affine_or(const Tensor& v, double otherwise, int64_t rank) {
  return v.defined() ? per_channel(cast(v, DType::f64), rank) : scalar(otherwise, DType::f64);
}

Tensors expand_apply(const ExpandArgs& a) {
  const Tensor& x = a.in[0];
  const PlainNorm norm(x, a.in[1], a.as<BatchNormAttrs>().eps);
  return {cast(norm.xhat * affine_or(a.input(2), 1, x.rank()) + affine_or(a.input(3), 0, x.rank()), x.dtype())};
}

// ---- All of it: x, gamma, beta, residual -> y, stats

Results infer_sync(const InferArgs& a) {
  const Spec x = check_input(a.in[0]);
  CHECK(a.has(1) == a.has(2), "gamma and beta come together");
  check_channels(a, {1, 2});
  if (a.has(3)) {
    check_same_dtype(x, a.in[3]);
    CHECK(a.in[3].shape == x.shape, "the residual {} must be {}", to_string(a.in[3].shape), to_string(x.shape));
  }
  return Results({x, stats_spec(x.shape[1])});
}

size_t scratch_sync(const EvalArgs& a) {
  const int64_t channels = a.in[0].shape[1], ranks = group(a.as<GroupAttrs>().group).size();
  return static_cast<size_t>(Merged::numbers(channels) + kRows * channels * (ranks + 1)) * sizeof(double);
}

void eval_sync(const EvalArgs& a) {
  const auto& attrs = a.as<SyncBatchNormAttrs>();
  const int64_t channels = a.in[0].shape[1];
  Merged merged(static_cast<double*>(a.scratch), channels);
  double* const mine = merged.stats + Merged::numbers(channels);
  stats_into(a.in[0], mine);
  gather(attrs.group, mine, mine + kRows * channels, channels, merged.stats);
  merged.invert(attrs.eps);
  kernels::batch_norm_apply(a.in[0], merged.mean(), merged.invstd(), a.input(1), a.input(2), a.input(3), attrs.relu,
                            a.out[0]);
  kernels::copy(merged.all(), a.out[1]);
}

Tensors expand_sync(const ExpandArgs& a) {
  const auto& attrs = a.as<SyncBatchNormAttrs>();
  const Tensor stats = gather_merge(batch_norm_stats(a.in[0]), attrs.group);
  const auto optional = [&](size_t i) { return a.input(i).defined() ? std::optional(a.input(i)) : std::nullopt; };
  Tensor y = batch_norm_apply(a.in[0], stats, optional(1), optional(2), attrs.eps);
  if (a.input(3).defined()) y = y + a.input(3);
  return {attrs.relu ? relu(y) : y, stats};
}

// ---- Its gradient: x, g, gamma, stats, y or none, beta or none -> dx, dgamma, dbeta, dresidual

Tensors vjp_sync(const VjpArgs& a) {
  if (!a.grad[0].defined()) return {};
  const auto& attrs = a.as<SyncBatchNormAttrs>();
  const auto input = [&](size_t i) { return a.in.size() > i ? a.in[i] : Tensor(); };
  const bool residual = a.in_specs.size() > 3 && a.in_specs[3].defined;
  Tensors grads = apply_all(kSyncBatchNormGrad,
                            {a.in[0], a.grad[0], input(1), a.out[1], attrs.relu && residual ? a.out[0] : Tensor(),
                             attrs.relu && !residual ? input(2) : Tensor()},
                            SyncBatchNormGradAttrs{attrs, residual});
  grads.resize(a.wants.size());
  for (size_t i = 0; i < grads.size(); ++i)
    if (!a.wants[i]) grads[i] = Tensor();
  return grads;
}

Results infer_sync_grad(const InferArgs& a) {
  const auto& attrs = a.as<SyncBatchNormGradAttrs>();
  const Spec x = check_input(a.in[0]);
  check_stats(a.in[3], x.shape[1]);
  check_channels(a, {2, 5});
  for (const size_t i : {size_t{1}, size_t{4}})
    if (a.has(i)) {
      check_same_dtype(x, a.in[i]);
      CHECK(a.in[i].shape == x.shape, "operand {} is {}, x is {}", i, to_string(a.in[i].shape), to_string(x.shape));
    }
  CHECK(!attrs.residual || !attrs.relu || a.has(4), "the mask after a residual is that of y, which is missing");
  const Spec channel{.shape = {x.shape[1]}, .dtype = x.dtype};
  if (attrs.residual) return Results({x, channel, channel, x});
  return Results({x, channel, channel});
}

size_t scratch_sync_grad(const EvalArgs& a) {
  const int64_t channels = a.in[0].shape[1];
  return static_cast<size_t>(Merged::numbers(channels) + 2 * channels) * sizeof(double);
}

void eval_sync_grad(const EvalArgs& a) {
  const auto& attrs = a.as<SyncBatchNormGradAttrs>();
  const int64_t channels = a.in[0].shape[1];
  const kernels::ReluMask mask{.relu = attrs.relu, .y = a.input(4), .beta = a.input(5)};
  Merged merged(static_cast<double*>(a.scratch), channels);
  kernels::copy(a.in[3], merged.all());
  merged.invert(attrs.eps);
  double* const sums = merged.stats + Merged::numbers(channels);
  const Array dgamma = row_major(sums, DType::f64, {channels}),
              dbeta = row_major(sums + channels, DType::f64, {channels});
  kernels::batch_norm_grad_sums(a.in[0], mask, a.in[1], merged.mean(), merged.invstd(), a.input(2), dgamma, dbeta);
  kernels::copy(dgamma, a.out[1]);
  kernels::copy(dbeta, a.out[2]);
  group(attrs.group).all_reduce(sums, 2 * channels, DType::f64).wait();
  kernels::batch_norm_grad_input(a.in[0], mask, a.in[1], merged.mean(), merged.invstd(), a.input(2), dgamma, dbeta,
                                 std::max(1.0, merged.count()), a.out[0], attrs.residual ? a.out[3] : Array{});
}

// With the statistics as functions of x: differentiated again, this gives the full second derivative.
Tensors expand_sync_grad(const ExpandArgs& a) {
  const auto& attrs = a.as<SyncBatchNormGradAttrs>();
  const Tensor& x = a.in[0];
  const auto dims = all_but_channels(x.rank());
  const Tensor stats = gather_merge(batch_norm_stats(x), attrs.group);
  const PlainNorm norm(x, stats, attrs.eps);
  const Tensor gamma = affine_or(a.input(2), 1, x.rank());
  Tensor g = cast(a.in[1], DType::f64);
  if (attrs.relu) {
    const Tensor y = a.input(4).defined() ? a.input(4) : norm.xhat * gamma + affine_or(a.input(5), 0, x.rank());
    g = where(detach(y) > 0.0, g, scalar(0, DType::f64));
  }
  const Tensor dbeta = sum(g, dims), dgamma = sum(g * norm.xhat, dims);
  const Tensor sums = all_reduce(stack({dbeta, dgamma}), ReduceOp::sum, attrs.group);
  const Tensor n = maximum(row(stats, kCount), scalar(1, DType::f64));
  const auto mean_of = [&](int64_t i) {
    return per_channel(reshape(slice(sums, 0, i, i + 1), n.shape()) / n, x.rank());
  };
  const Tensor dx = gamma * norm.invstd * (g - mean_of(0) - norm.xhat * mean_of(1));
  Tensors grads{cast(dx, x.dtype()), cast(dgamma, x.dtype()), cast(dbeta, x.dtype())};
  if (attrs.residual) grads.push_back(cast(g, x.dtype()));
  return grads;
}

}  // namespace

const OpDef kBatchNormStats{.name = "batch_norm_stats",
                            .infer = infer_stats,
                            .scratch = scratch_stats,
                            .eval = eval_stats,
                            .vjp = vjp_stats,
                            .keeps = {.inputs = {0}, .outputs = {0}}};
const OpDef kGatherMerge{.name = "gather_merge",
                         .attrs = &attrs_of<GroupAttrs>,
                         .infer = infer_merge,
                         .scratch = scratch_merge,
                         .eval = eval_merge,
                         .vjp = vjp_merge,
                         .keeps = {.inputs = {0}, .outputs = {0}}};
const OpDef kBatchNormApply{.name = "batch_norm_apply",
                            .attrs = &attrs_of<BatchNormAttrs>,
                            .operands = {2, 4, 0b1100},
                            .infer = infer_apply,
                            .scratch = scratch_apply,
                            .eval = eval_apply,
                            .expand = expand_apply};
const OpDef kSyncBatchNorm{.name = "sync_batch_norm",
                           .attrs = &attrs_of<SyncBatchNormAttrs>,
                           .operands = {1, 4, 0b1110},
                           .infer = infer_sync,
                           .scratch = scratch_sync,
                           .eval = eval_sync,
                           .vjp = vjp_sync,
                           .keeps = {.inputs = {0, 1, 2}, .outputs = {0, 1}, .input_specs = true},
                           .expand = expand_sync};
const OpDef kSyncBatchNormGrad{.name = "sync_batch_norm_grad",
                               .attrs = &attrs_of<SyncBatchNormGradAttrs>,
                               .operands = {4, 6, 0b110100},
                               .infer = infer_sync_grad,
                               .scratch = scratch_sync_grad,
                               .eval = eval_sync_grad,
                               .expand = expand_sync_grad};

Tensor batch_norm_stats(const Tensor& x) { return apply(kBatchNormStats, {x}); }
Tensor gather_merge(const Tensor& stats, GroupId group) { return apply(kGatherMerge, {stats}, GroupAttrs{group}); }
Tensor batch_norm_apply(const Tensor& x, const Tensor& stats, const std::optional<Tensor>& gamma,
                        const std::optional<Tensor>& beta, double eps) {
  return apply(kBatchNormApply, {x, stats, none_or(gamma), none_or(beta)}, BatchNormAttrs{eps});
}

SyncBatchNormResult sync_batch_norm(const Tensor& x, const std::optional<Tensor>& gamma,
                                    const std::optional<Tensor>& beta, const std::optional<Tensor>& residual, bool relu,
                                    double eps, GroupId group) {
  const Tensors out = apply_all(kSyncBatchNorm, {x, none_or(gamma), none_or(beta), none_or(residual)},
                                SyncBatchNormAttrs{{group}, eps, relu});
  return {out[0], detach(out[1])};
}

SyncBatchNormResult sync_batch_norm_two_rounds(const Tensor& x, const std::optional<Tensor>& gamma,
                                               const std::optional<Tensor>& beta, double eps, GroupId group) {
  const auto dims = all_but_channels(x.rank());
  const auto over_ranks = [&](const Tensor& v) { return all_reduce(v, ReduceOp::sum, group); };
  const Tensor wide = cast(x, DType::f64), own_count = sum(wide * 0.0 + 1.0, dims);
  const Tensor first = over_ranks(stack({own_count, sum(wide, dims)}));
  const auto part = [](const Tensor& v, int64_t i) { return reshape(slice(v, 0, i, i + 1), {v.size(1)}); };
  const Tensor count = detach(part(first, 0)), mean = part(first, 1) / maximum(count, scalar(1, DType::f64));
  const Tensor m2 = over_ranks(sum(square(wide - per_channel(mean, x.rank())), dims));
  const Tensor stats = stack({count, mean, m2});
  return {batch_norm_apply(x, stats, gamma, beta, eps), detach(stats)};
}

}  // namespace ingot
