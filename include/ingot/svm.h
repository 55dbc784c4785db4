#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "ingot/losses.h"
#include "ingot/tensor.h"

// Linear support vector machines, as LIBLINEAR states them: the bias is the weight of a feature that is always 1, and
// is regularised like the others.
namespace ingot {

enum class MultiClass : uint8_t { one_vs_rest, crammer_singer };

/// The problem
///   minimise P(w) = 1/2 ||w||^2 + C * sum over samples of loss
/// with the scores s_k = w_k . (x, 1) of a sample of class t, and for
///   one_vs_rest:     loss = sum_k max(0, 1 - y_k s_k)^p, y_k = +1 for k = t and -1 for the others
///   crammer_singer:  loss = max(0, 1 + max_{k != t} s_k - s_t)^p
/// p being 2 where `squared`, else 1. Cortes & Vapnik 1995; Crammer & Singer 2001.
struct SvmProblem {
  MultiClass multi_class = MultiClass::one_vs_rest;
  bool squared = false;
  double C = 1;
};

/// The mean over the batch of a sample's loss, for scores [N,K] and target [N].
Tensor svm_loss(const Tensor& scores, const Tensor& target, const SvmProblem& problem);
/// The same as sum and number of samples.
LossSum svm_loss_sum(const Tensor& scores, const Tensor& target, const SvmProblem& problem);

/// What weights [K,D] and bias [K] are worth on a whole training set.
struct SvmReport {
  double objective = 0;  // P(w)
  int64_t samples = 0;
  int64_t right = 0;            // the largest score is that of the sample's class
  int64_t zero_loss = 0;        // samples without loss
  int64_t support_vectors = 0;  // samples that touch or pass a margin, so that the weights depend on them; see below
  /// Half the width of the empty street, in units of x. One against the rest: 1 / ||w_k|| without the bias, the
  /// distance from s_k = 0 to s_k = +-1. Crammer-Singer: 1 / ||w_a - w_b||, from s_a = s_b to where they differ by 1.
  /// The narrowest and the widest.
  double least_margin = 0, largest_margin = 0;
  /// D(alpha) of the solver's multipliers: no weights have a smaller objective, so P - D bounds how much is missing.
  std::optional<double> dual;
};
/// `scores` [N,K] are those of the weights. A sample counts as support vector by its scores: y_k s_k <= 1 + 1e-3 for
/// some k (or the like for Crammer-Singer); SvmSolver::report counts those that have a multiplier.
SvmReport svm_report(const Tensor& scores, const Tensor& target, const Tensor& weight, const Tensor& bias,
                     const SvmProblem& problem);

struct SvmSolverOptions {
  double sigma = 0.05;  // penalty of the first round: the loss's kink is smoothed over a width of C / sigma
  double growth = 2;    // by which it grows after a round that came to its end
  double max_sigma = 10;
  int64_t newton_steps = 6;  // of a round at most
};

/// Solves the problem to a gap of some 1e-5 of the objective (scores are f32), all samples at once, without random
/// numbers: the method of multipliers on its dual, each round a few steps of a semismooth Newton method (Yan & Li 2020,
/// for the binary problem), whose systems conjugate gradients solve, preconditioned by the Cholesky factors of the
/// classes' own blocks.
///   D(alpha) = sum alpha - 1/2 ||w(alpha)||^2 [- 1/(4C) sum q], alpha >= 0
/// has one multiplier for each margin that a sample is asked to keep, K or K - 1 of them. Those that end above 0 belong
/// to support vectors: w(alpha) is made of these samples alone.
class SvmSolver {
 public:
  /// `features` [N,D] f32, `target` [N] i64. Throws Error for more than 2048 features: memory and time for the factors
  /// grow with their square and cube.
  SvmSolver(const Tensor& features, const Tensor& target, int64_t classes, const SvmProblem& problem,
            const SvmSolverOptions& options = {});
  ~SvmSolver();

  /// One round from these weights [K,D] and bias [K], which it replaces.
  void round(Tensor& weight, Tensor& bias);
  /// Of the weights that the last round left.
  SvmReport report(const Tensor& weight, const Tensor& bias) const;

  /// What a run goes on from besides the weights.
  struct State {
    Tensor alpha;  // [N,K] f64
    double sigma = 0;
  };
  State state() const;
  /// Throws Error where alpha is not of these samples and classes.
  void load_state(const State& state);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot
