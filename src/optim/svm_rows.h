#pragma once

#include <span>
#include <vector>

#include "ingot/svm.h"

// A sample's part of the problem. z_k is what misses of margin k: 1 - y_k s_k, or 1 + s_k - s_t for k != t.
namespace ingot {

struct SvmRow {
  const SvmProblem& problem;
  double sigma;
  size_t target;

  bool one_vs_rest() const { return problem.multi_class == MultiClass::one_vs_rest; }
  double sign(size_t k) const { return k == target ? 1 : -1; }
  /// None at the target's place of Crammer-Singer: -infinity.
  void missing(std::span<const float> scores, std::span<double> z) const;
  /// Loss of a sample.
  double loss(std::span<const double> z) const;

  /// The smoothed loss and its gradient: beta = argmax over feasible beta of
  ///   beta . z - 1/(2 sigma) ||beta - alpha||^2 [- q(beta) / (4C)],  q = sum beta_k^2 or (sum beta_k)^2
  /// feasible being beta >= 0 and, unless squared, beta_k <= C or sum beta_k <= C. Returns the maximum.
  double multipliers(std::span<const double> z, std::span<const double> alpha, std::span<double> beta) const;
  /// By the scores, from one by z.
  void to_scores(std::span<const double> beta, std::span<double> gradient) const;
  /// Second derivative by the scores times v, at this beta.
  void curve(std::span<const double> beta, std::span<const float> v, std::span<double> out) const;
  /// Its diagonal.
  void diagonal(std::span<const double> beta, std::span<double> out) const;

  /// sum beta [- q / (4C)], what a sample adds to the dual.
  double dual(std::span<const double> beta) const;

 private:
  double quadratic(std::span<const double> beta) const;
  double threshold(std::span<const double> v) const;
  struct Active;
  Active active(std::span<const double> beta) const;
};

}  // namespace ingot
