#pragma once

#include <optional>

#include "ingot/ops.h"

// Losses. All are compositions of ops, so they differentiate twice and can be traced. Shapes: x [N,C,d...] are scores
// with the classes in dimension 1 (or [C] alone), targets are class indices (i64) [N,d...] or of x's own shape.
// Facts follow torch/nn/functional.py and aten/src/ATen/native/LossNLL.cpp, LossMultiMargin.cpp.
namespace ingot {

/// batchmean: the sum divided by size(0); kl_div only.
enum class Reduction : uint8_t { none, mean, sum, batchmean };

/// What a mean is made of: sum / denominator. Parts of a batch (ranks, accumulated steps) add both before they divide.
struct LossSum {
  Tensor sum, denominator;  // scalars; the denominator carries no gradient
};
/// sum / denominator, and 0 (with gradient 0) where the denominator is 0.
Tensor mean_of(const LossSum& loss);

struct CrossEntropyOptions {
  std::optional<Tensor> weight;  // [C], of each class
  int64_t ignore_index = -100;   // class indices that do not count; it may be a class
  double label_smoothing = 0;    // share of the target spread evenly over all classes
  Reduction reduction = Reduction::mean;
};

/// With class indices t: l = -w[t] * log softmax(x)[t], and with smoothing e: (1-e) * l + e/C * sum_c -w[c] log
/// softmax(x)[c]. The mean divides by the summed w[t] of the targets that count; where all are ignored (or weigh 0) it
/// is 0. With target probabilities p of x's shape: l = -sum_c w[c] p'[c] log softmax(x)[c], p' = (1-e) p + e/C; the
/// mean divides by N and the other sizes. Computed through log_softmax: exact for scores of any size. Throws Error
/// where shapes do not agree or an index that counts is outside [0, C).
Tensor cross_entropy(const Tensor& x, const Tensor& target, const CrossEntropyOptions& options = {});
/// The same as (sum, denominator), whatever options.reduction says.
LossSum cross_entropy_sum(const Tensor& x, const Tensor& target, const CrossEntropyOptions& options = {});

struct NllOptions {
  std::optional<Tensor> weight;
  int64_t ignore_index = -100;
  Reduction reduction = Reduction::mean;
};
/// -w[t] * log_p[t] for class indices; log_p are log-probabilities. Otherwise as cross_entropy.
Tensor nll_loss(const Tensor& log_p, const Tensor& target, const NllOptions& options = {});

struct KlDivOptions {
  Reduction reduction = Reduction::mean;  // over all elements, as in PyTorch; batchmean is the divergence per sample
  bool log_target = false;                // the target holds logarithms too
};
/// KL(target || x), elementwise target * (log target - x) for log-probabilities x; 0 where the target is 0.
Tensor kl_div(const Tensor& x, const Tensor& target, const KlDivOptions& options = {});

/// H(p) = -sum p log p over `dim`, 0 log 0 = 0. cross entropy(p, q) = KL(p || q) + H(p).
Tensor entropy(const Tensor& p, int64_t dim = 1);

/// (x - target)^2, shapes equal.
Tensor mse_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::mean);

struct HingeOptions {
  bool squared = false;
  Reduction reduction = Reduction::mean;
};
/// max(0, 1 - y x), or its square; x holds scores and y, of the same shape, is +1 or -1. Targets 0 are taken as -1.
/// Throws Error for another target. Cortes & Vapnik 1995.
Tensor hinge_loss(const Tensor& x, const Tensor& target, const HingeOptions& options = {});

struct MultiMarginOptions {
  int p = 1;  // 1 or 2
  double margin = 1;
  std::optional<Tensor> weight;  // [C]
  Reduction reduction = Reduction::mean;
};
/// 1/C * sum_{i != t} w[t] * max(0, margin - x[t] + x[i])^p for x [N,C], target [N]. Weston & Watkins 1999.
Tensor multi_margin_loss(const Tensor& x, const Tensor& target, const MultiMarginOptions& options = {});

}  // namespace ingot
