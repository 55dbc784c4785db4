#pragma once

#include <optional>

#include "ingot/communicator.h"
#include "ingot/tensor.h"

// Synchronised batch norm as ops. Statistics are f64 [3,C]: of each channel the number of values, their mean, and the
// sum of the squares of their distances from it (M2). The composition of the first three is what the fused one does.
namespace ingot {

/// Of x [N,C,...], which may be empty: then all are 0. dx = g_mean / n + 2 (x - mean) g_M2.
Tensor batch_norm_stats(const Tensor& x);
/// Those of all ranks together, by one all-gather, merged in the order of the ranks: Chan, Golub & LeVeque 1979,
///   n = n_a + n_b, mean = mean_a + d n_b / n, M2 = M2_a + M2_b + d^2 n_a n_b / n with d = mean_b - mean_a.
/// Its gradient is one all-reduce of those of mean and M2.
Tensor gather_merge(const Tensor& stats, GroupId group = kWorld);
/// y = (x - mean) / sqrt(M2 / n + eps) * gamma + beta.
Tensor batch_norm_apply(const Tensor& x, const Tensor& stats, const std::optional<Tensor>& gamma,
                        const std::optional<Tensor>& beta, double eps);

struct SyncBatchNormResult {
  Tensor y, stats;  // of all ranks together; no gradient goes through stats
};
/// y = relu(batch_norm_apply(x, gather_merge(batch_norm_stats(x), group), ...) + residual) in two passes over x; the
/// ReLU only if `relu`. Backward sums dy and dy * xhat over the ranks by one all-reduce:
///   dx = gamma / std * (dy - sum dy / n - xhat * sum (dy xhat) / n),
/// while dgamma and dbeta are this rank's part.
SyncBatchNormResult sync_batch_norm(const Tensor& x, const std::optional<Tensor>& gamma,
                                    const std::optional<Tensor>& beta, const std::optional<Tensor>& residual, bool relu,
                                    double eps, GroupId group = kWorld);

/// The plain form with two rounds each way, the mean first and then the variance around it: what the fused one is
/// tested and timed against.
SyncBatchNormResult sync_batch_norm_two_rounds(const Tensor& x, const std::optional<Tensor>& gamma,
                                               const std::optional<Tensor>& beta, double eps, GroupId group = kWorld);

}  // namespace ingot
