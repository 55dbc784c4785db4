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
LossSum nll_loss_sum(const Tensor& log_p, const Tensor& target, const NllOptions& options = {});

struct KlDivOptions {
  Reduction reduction = Reduction::mean;  // over all elements, as in PyTorch; batchmean is the divergence per sample
  bool log_target = false;                // the target holds logarithms too
};
/// KL(target || x), elementwise target * (log target - x) for log-probabilities x; 0 where the target is 0.
Tensor kl_div(const Tensor& x, const Tensor& target, const KlDivOptions& options = {});

/// H(p) = -sum p log p over `dim`, 0 log 0 = 0. cross entropy(p, q) = KL(p || q) + H(p).
Tensor entropy(const Tensor& p, int64_t dim = 1);

// ---- Margins

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

/// max(0, 1 + max_{i != t} x[i] - x[t]), or its square, for x [N,C], target [N]. Crammer & Singer 2001.
Tensor crammer_singer_loss(const Tensor& x, const Tensor& target, const HingeOptions& options = {});

/// 1/C * sum max(0, 1 - x[t] + x[i]) over a sample's classes t and all other classes i, for x [N,C] or [C]. The target,
/// of x's shape, lists the sample's classes up to the first -1.
Tensor multilabel_margin_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::mean);

struct MarginOptions {
  double margin = 0;
  Reduction reduction = Reduction::mean;
};
/// x where the target is 1, max(0, margin - x) where it is -1; shapes equal.
Tensor hinge_embedding_loss(const Tensor& x, const Tensor& target, const MarginOptions& options = {.margin = 1});
/// max(0, -y (a - b) + margin); y = 1 where a is to be larger, -1 where b is. The three broadcast.
Tensor margin_ranking_loss(const Tensor& a, const Tensor& b, const Tensor& target, const MarginOptions& options = {});
/// For rows a, b [N,D], target [N] or [D], []: 1 - cos(a, b) where the target is 1, max(0, cos(a, b) - margin) where it
/// is -1. Squared lengths are counted 1e-12 longer.
Tensor cosine_embedding_loss(const Tensor& a, const Tensor& b, const Tensor& target, const MarginOptions& options = {});
/// log(1 + exp(-y x)), y = +1 or -1; exact for scores of any size.
Tensor soft_margin_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::mean);

struct TripletMarginOptions {
  double margin = 1;
  double p = 2;       // of the norm; infinity: the largest element
  double eps = 1e-6;  // added to each difference
  bool swap = false;  // takes the nearer of anchor and positive to measure the negative's distance
  Reduction reduction = Reduction::mean;
};
/// max(0, d(anchor, positive) - d(anchor, negative) + margin) for rows [N,D] or [D], d(a, b) = |a - b + eps|_p.
/// Balntas et al. 2016.
Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                           const TripletMarginOptions& options = {});

// ---- Two classes: targets are probabilities of the first, of x's shape

struct BinaryOptions {
  std::optional<Tensor> weight = {};      // of each element, broadcast
  std::optional<Tensor> pos_weight = {};  // of the target's first class, broadcast; with logits only
  Reduction reduction = Reduction::mean;
};
/// -(t log x + (1-t) log(1-x)) for probabilities x. Logarithms are at least -100, without gradient where they would be
/// less. Throws Error where x is outside [0, 1].
Tensor binary_cross_entropy(const Tensor& x, const Tensor& target, const BinaryOptions& options = {});
/// The same of sigmoid(x) for scores x, exact for scores of any size: (1-t) x + (1 + (pos_weight - 1) t) log(1 + e^-x).
Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& target, const BinaryOptions& options = {});

struct FocalOptions {
  double alpha = 0.25;  // weight of the first class, 1 - alpha of the other; negative: both 1
  double gamma = 2;
  Reduction reduction = Reduction::mean;
};
/// alpha_t (1 - p_t)^gamma times binary_cross_entropy_with_logits, where p_t is the probability of what is true.
/// Lin et al. 2017.
Tensor sigmoid_focal_loss(const Tensor& x, const Tensor& target, const FocalOptions& options = {});

struct DiceOptions {
  double smooth = 1;
  Reduction reduction = Reduction::mean;
};
/// 1 - (2 sum x t + smooth) / (sum x + sum t + smooth) for probabilities x [N,d...], sums over each sample.
/// Milletari et al. 2016.
Tensor dice_loss(const Tensor& x, const Tensor& target, const DiceOptions& options = {});

// ---- Numbers: x and target of one shape

/// (x - target)^2
Tensor mse_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::mean);
/// |x - target|
Tensor l1_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::mean);
/// d^2 / (2 beta) where d = |x - target| is below beta, d - beta/2 elsewhere. Girshick 2015.
Tensor smooth_l1_loss(const Tensor& x, const Tensor& target, double beta = 1, Reduction reduction = Reduction::mean);
/// d^2 / 2 where d = |x - target| is at most delta, delta (d - delta/2) elsewhere. Huber 1964.
Tensor huber_loss(const Tensor& x, const Tensor& target, double delta = 1, Reduction reduction = Reduction::mean);

struct PoissonNllOptions {
  bool log_input = true;  // x is the logarithm of the rate
  bool full = false;      // with Stirling's t log t - t + log(2 pi t)/2 for targets above 1
  double eps = 1e-8;      // added to a rate before its logarithm
  Reduction reduction = Reduction::mean;
};
/// exp(x) - t x, or x - t log(x + eps).
Tensor poisson_nll_loss(const Tensor& x, const Tensor& target, const PoissonNllOptions& options = {});

struct GaussianNllOptions {
  bool full = false;  // with log(2 pi)/2
  double eps = 1e-6;  // the least variance; the gradient passes as if it were the given one
  Reduction reduction = Reduction::mean;
};
/// (log v + (x - t)^2 / v) / 2 for a mean x and a variance v, of x's shape, or with size 1 in the last dimension.
/// Throws Error for a negative variance. Nix & Weigend 1994.
Tensor gaussian_nll_loss(const Tensor& x, const Tensor& target, const Tensor& variance,
                         const GaussianNllOptions& options = {});

}  // namespace ingot
