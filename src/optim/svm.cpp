#include "ingot/svm.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "ingot/losses.h"
#include "ingot/ops.h"
#include "optim/svm_rows.h"

namespace ingot {
namespace {

constexpr double kTouches = 1e-3;  // how near to its margin a sample counts as touching it

double square_of(double x) { return x * x; }

/// 1 / ||difference of rows a and b|| of [K,D], or of row a alone.
double margin(const std::vector<double>& weight, int64_t width, int64_t a, std::optional<int64_t> b) {
  double sum = 0;
  for (int64_t d = 0; d < width; ++d) {
    const auto at = [&](int64_t row) { return weight[static_cast<size_t>(row * width + d)]; };
    sum += square_of(at(a) - (b ? at(*b) : 0));
  }
  return 1 / std::sqrt(sum);
}

void set_margins(const std::vector<double>& weight, int64_t classes, const SvmProblem& problem, SvmReport& out) {
  const auto width = static_cast<int64_t>(weight.size()) / classes;
  std::vector<double> margins;
  for (int64_t a = 0; a < classes; ++a) {
    if (problem.multi_class == MultiClass::one_vs_rest) margins.push_back(margin(weight, width, a, std::nullopt));
    for (int64_t b = 0; b < a && problem.multi_class == MultiClass::crammer_singer; ++b)
      margins.push_back(margin(weight, width, a, b));
  }
  const auto [least, largest] = std::minmax_element(margins.begin(), margins.end());
  out.least_margin = *least, out.largest_margin = *largest;
}

}  // namespace

LossSum svm_loss_sum(const Tensor& scores, const Tensor& target, const SvmProblem& problem) {
  const HingeOptions hinge{.squared = problem.squared, .reduction = Reduction::sum};
  const Tensor count = scalar(static_cast<double>(scores.size(0).value()), scores.dtype());
  if (problem.multi_class == MultiClass::crammer_singer) return {crammer_singer_loss(scores, target, hinge), count};
  return {hinge_loss(scores, one_hot(target, scores.size(1), scores.dtype()), hinge), count};
}
Tensor svm_loss(const Tensor& scores, const Tensor& target, const SvmProblem& problem) {
  return mean_of(svm_loss_sum(scores, target, problem));
}

SvmReport svm_report(const Tensor& scores, const Tensor& target, const Tensor& weight, const Tensor& bias,
                     const SvmProblem& problem) {
  const auto s = scores.to_vector<float>();
  const auto t = target.to_vector<int64_t>();
  const auto w = weight.to_vector<double>(), b = bias.to_vector<double>();
  const auto classes = static_cast<size_t>(weight.size(0));
  CHECK(classes > 1, "an SVM needs two classes or more, there is {}", classes);
  SvmReport out{.samples = static_cast<int64_t>(t.size())};
  std::vector<double> z(classes);
  double losses = 0, norm = 0;
  for (size_t i = 0; i < t.size(); ++i) {
    const std::span row(&s[i * classes], classes);
    const SvmRow of{problem, 0, static_cast<size_t>(t[i])};
    of.missing(row, z);
    const double loss = of.loss(z);
    losses += loss;
    out.zero_loss += loss == 0 ? 1 : 0;
    out.support_vectors += *std::max_element(z.begin(), z.end()) >= -kTouches ? 1 : 0;
    out.right += std::max_element(row.begin(), row.end()) - row.begin() == t[i] ? 1 : 0;
  }
  for (const auto* part : {&w, &b})
    for (const double x : *part) norm += x * x;
  out.objective = norm / 2 + problem.C * losses;
  set_margins(w, weight.size(0), problem, out);
  return out;
}

}  // namespace ingot
