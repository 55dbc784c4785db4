#include "optim/svm_rows.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>

namespace ingot {
namespace {

constexpr double kTight = 1 - 1e-12;  // of C, from which on a bound counts as reached

double sum_of(std::span<const double> x) { return std::accumulate(x.begin(), x.end(), 0.0); }

}  // namespace

void SvmRow::missing(std::span<const float> s, std::span<double> z) const {
  const double own = s[target];
  for (size_t k = 0; k < s.size(); ++k) z[k] = one_vs_rest() ? 1 - sign(k) * double{s[k]} : 1 + double{s[k]} - own;
  if (!one_vs_rest()) z[target] = -std::numeric_limits<double>::infinity();
}

double SvmRow::loss(std::span<const double> z) const {
  const auto one = [&](double x) { return x <= 0 ? 0 : problem.squared ? x * x : x; };
  if (!one_vs_rest()) return one(*std::max_element(z.begin(), z.end()));
  double sum = 0;
  for (const double x : z) sum += one(x);
  return sum;
}

double SvmRow::quadratic(std::span<const double> beta) const {
  if (!problem.squared) return 0;
  const double sum = sum_of(beta);
  const double q = one_vs_rest() ? std::inner_product(beta.begin(), beta.end(), beta.begin(), 0.0) : sum * sum;
  return q / (4 * problem.C);
}

double SvmRow::dual(std::span<const double> beta) const { return sum_of(beta) - quadratic(beta); }

/// tau >= 0 such that beta_k = max(0, v_k - tau) is the maximum of Crammer-Singer: the sum of beta is at most C or,
/// squared, 2 C tau / sigma. Both are linear between the sorted v_k.
double SvmRow::threshold(std::span<const double> v) const {
  std::vector<double> sorted;
  for (size_t k = 0; k < v.size(); ++k)
    if (k != target && v[k] > 0) sorted.push_back(v[k]);
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  double sum = 0, tau = 0;
  for (size_t n = 0; n < sorted.size(); ++n) {
    sum += sorted[n];
    const auto count = static_cast<double>(n + 1);
    const double here = problem.squared ? sum / (count + 2 * problem.C / sigma) : (sum - problem.C) / count;
    if (sorted[n] <= here) break;
    tau = here;
  }
  return std::max(0.0, tau);
}

double SvmRow::multipliers(std::span<const double> z, std::span<const double> alpha, std::span<double> beta) const {
  const double C = problem.C;
  for (size_t k = 0; k < z.size(); ++k) beta[k] = alpha[k] + sigma * z[k];
  if (one_vs_rest()) {
    const double shrink = 2 * C / (2 * C + sigma);
    for (double& b : beta) b = problem.squared ? std::max(0.0, b) * shrink : std::clamp(b, 0.0, C);
  } else {
    const double tau = threshold(beta);
    for (double& b : beta) b = std::max(0.0, b - tau);
  }
  double value = 0;
  for (size_t k = 0; k < z.size(); ++k) {
    const double moved = beta[k] - alpha[k];
    value += (beta[k] > 0 ? beta[k] * z[k] : 0) - moved * moved / (2 * sigma);
  }
  return value - quadratic(beta);
}

void SvmRow::to_scores(std::span<const double> beta, std::span<double> gradient) const {
  for (size_t k = 0; k < beta.size(); ++k) gradient[k] = one_vs_rest() ? -sign(k) * beta[k] : beta[k];
  if (!one_vs_rest()) gradient[target] = -sum_of(beta);
}

/// Where beta moves with z: by sigma (1 - share 1^T) among those above 0 (Crammer-Singer), by `slope` each where it is
/// between its bounds (one against the rest).
struct SvmRow::Active {
  double slope, share = 0, top = std::numeric_limits<double>::infinity();
  bool at(double beta) const { return beta > 0 && beta < top; }
};
SvmRow::Active SvmRow::active(std::span<const double> beta) const {
  const double C = problem.C;
  if (one_vs_rest() && problem.squared) return {.slope = 2 * C * sigma / (2 * C + sigma)};
  if (one_vs_rest()) return {.slope = sigma, .top = C * kTight};
  const auto count = static_cast<double>(std::count_if(beta.begin(), beta.end(), [](double b) { return b > 0; }));
  if (problem.squared) return {.slope = sigma, .share = 1 / (count + 2 * C / sigma)};
  return {.slope = sigma, .share = sum_of(beta) >= C * kTight ? 1 / count : 0};
}

void SvmRow::curve(std::span<const double> beta, std::span<const float> v, std::span<double> out) const {
  const Active a = active(beta);
  double mean = 0;
  const auto moved = [&](size_t k) { return one_vs_rest() ? double{v[k]} : double{v[k]} - double{v[target]}; };
  for (size_t k = 0; k < beta.size(); ++k)
    if (a.at(beta[k])) mean += a.share * moved(k);
  double sum = 0;
  for (size_t k = 0; k < beta.size(); ++k) {
    out[k] = a.at(beta[k]) ? a.slope * (moved(k) - mean) : 0;
    sum += out[k];
  }
  if (!one_vs_rest()) out[target] = -sum;
}

void SvmRow::diagonal(std::span<const double> beta, std::span<double> out) const {
  const Active a = active(beta);
  double count = 0;
  for (size_t k = 0; k < beta.size(); ++k) {
    const bool moves = a.at(beta[k]);
    out[k] = moves ? a.slope * (1 - a.share) : 0;
    count += moves ? 1 : 0;
  }
  if (!one_vs_rest()) out[target] = std::max(0.0, a.slope * (count - a.share * count * count));
}

}  // namespace ingot
