#include "ingot/svm.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "error_of.h"
#include "ingot/autograd.h"
#include "ingot/ops.h"
#include "optim/cholesky.h"
#include "optim/svm_rows.h"

namespace ingot {
namespace {

using testing::HasSubstr;
using Values = std::vector<double>;

constexpr size_t kClasses = 4, kFeatures = 5, kSamples = 90;

class Svm : public testing::TestWithParam<std::pair<MultiClass, bool>> {
 protected:
  bool one_vs_rest() const { return problem.multi_class == MultiClass::one_vs_rest; }

  const SvmProblem problem{GetParam().first, GetParam().second, 0.7};
};

INSTANTIATE_TEST_SUITE_P(All, Svm,
                         testing::Values(std::pair(MultiClass::one_vs_rest, false),
                                         std::pair(MultiClass::one_vs_rest, true),
                                         std::pair(MultiClass::crammer_singer, false),
                                         std::pair(MultiClass::crammer_singer, true)));

/// Overlapping clouds, one for each class.
struct Samples {
  Tensor x = normal({kSamples, kFeatures}, 0.3, 1, RandomKey{1});
  std::vector<int64_t> t;

  Samples() {
    Values values = x.to_vector<double>();
    for (size_t i = 0; i < kSamples; ++i) {
      t.push_back(static_cast<int64_t>(i % kClasses));
      values[i * kFeatures + i % kClasses] += 1.5;
    }
    x = cast(from_vector(values, x.shape()), DType::f32);
  }
  Tensor target() const { return from_vector(t, {kSamples}); }
  double at(size_t i, size_t d) const { return d == kFeatures ? 1 : x.data<float>()[i * kFeatures + d]; }
};

/// Scores of weights [K][D+1], as the formula has them.
double score(const Samples& s, const Values& w, size_t i, size_t k) {
  double sum = 0;
  for (size_t d = 0; d <= kFeatures; ++d) sum += w[k * (kFeatures + 1) + d] * s.at(i, d);
  return sum;
}

double plain_loss(const SvmProblem& p, const Values& scores, size_t t) {
  const auto hinge = [&](double x) { return x > 0 ? (p.squared ? x * x : x) : 0; };
  double sum = 0, worst = -1e9;
  for (size_t k = 0; k < scores.size(); ++k) {
    sum += hinge(1 - (k == t ? 1 : -1) * scores[k]);
    if (k != t) worst = std::max(worst, 1 + scores[k] - scores[t]);
  }
  return p.multi_class == MultiClass::one_vs_rest ? sum : hinge(worst);
}

double plain_objective(const SvmProblem& p, const Samples& s, const Values& w) {
  double out = 0;
  for (const double x : w) out += x * x / 2;
  for (size_t i = 0; i < kSamples; ++i) {
    Values scores;
    for (size_t k = 0; k < kClasses; ++k) scores.push_back(score(s, w, i, k));
    out += p.C * plain_loss(p, scores, i % kClasses);
  }
  return out;
}

/// [K][D+1] of both.
Values joined(const Tensor& weight, const Tensor& bias) {
  return concat({weight, unsqueeze(bias, 1)}, 1).to_vector<double>();
}

TEST_P(Svm, LossAndObjectiveAreThoseOfPlainLoops) {
  const Samples s;
  const Tensor weight = normal({kClasses, kFeatures}, 0, 0.5, RandomKey{2}),
               bias = normal({kClasses}, 0, 1, RandomKey{3});
  const Tensor scores = linear(s.x, weight, bias);
  const Values w = joined(weight, bias);
  double losses = 0;
  int64_t right = 0, zero = 0;
  for (size_t i = 0; i < kSamples; ++i) {
    Values row;
    for (size_t k = 0; k < kClasses; ++k) row.push_back(score(s, w, i, k));
    const double loss = plain_loss(problem, row, i % kClasses);
    losses += loss, zero += loss == 0 ? 1 : 0;
    right += static_cast<size_t>(std::max_element(row.begin(), row.end()) - row.begin()) == i % kClasses ? 1 : 0;
  }
  EXPECT_NEAR(svm_loss(scores, s.target(), problem).item<double>(), losses / kSamples, 1e-5 * losses);
  const SvmReport report = svm_report(scores, s.target(), weight, bias, problem);
  EXPECT_NEAR(report.objective / plain_objective(problem, s, w), 1, 1e-6);
  EXPECT_EQ(report.right, right);
  EXPECT_EQ(report.zero_loss, zero);
  EXPECT_EQ(report.samples, static_cast<int64_t>(kSamples));
  EXPECT_GE(report.support_vectors, static_cast<int64_t>(kSamples) - zero);
  EXPECT_FALSE(report.dual.has_value());
}

TEST_P(Svm, MarginsAreInverseNorms) {
  const Tensor weight = from_vector(Values{3, 4, 0, 0, 0, 0.5}, {3, 2}), bias = full({3}, 7, DType::f64);
  const SvmReport report = svm_report(zeros({1, 3}), from_vector(std::vector<int64_t>{0}, {1}), weight, bias, problem);
  EXPECT_NEAR(report.least_margin, one_vs_rest() ? 1.0 / 5 : 1 / 5.0, 1e-12);
  if (one_vs_rest()) {
    EXPECT_TRUE(std::isinf(report.largest_margin));  // of the weights 0
  } else {
    EXPECT_NEAR(report.largest_margin, 1 / 0.5, 1e-12);
  }
}

TEST_P(Svm, MultipliersAreTheSmoothedLosssGradient) {
  constexpr double kStep = 1e-6, kSigma = 0.8;
  const SvmRow row{problem, kSigma, 2};
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const Values alpha = abs(normal({kClasses}, 0, 0.2, RandomKey{seed}, DType::f64)).to_vector<double>();
    const auto s = normal({kClasses}, 0, 1.5, RandomKey{seed + 100}).to_vector<float>();
    const auto v = normal({kClasses}, 0, 1, RandomKey{seed + 200}).to_vector<float>();
    Values start = alpha, z(kClasses), beta(kClasses), gradient(kClasses), curved(kClasses), diagonal(kClasses);
    if (!one_vs_rest()) start[2] = 0;
    row.missing(s, z);
    row.multipliers(z, start, beta);
    row.to_scores(beta, gradient);
    row.curve(beta, v, curved);
    double sum = 0;
    for (size_t k = 0; k < kClasses; ++k) {
      EXPECT_GE(beta[k], 0);
      if (!problem.squared && one_vs_rest()) {
        EXPECT_LE(beta[k], problem.C);
      }
      sum += beta[k];
    }
    if (!problem.squared && !one_vs_rest()) {
      EXPECT_LE(sum, problem.C * (1 + 1e-12));
    }
    /// The value and the scores' gradient at z moved along one score.
    const auto moved = [&](size_t k, double by) {
      Values there = z, b(kClasses), g(kClasses);
      for (size_t j = 0; j < kClasses; ++j) {
        const double ds = j == k ? by : 0, own = k == 2 ? by : 0;
        there[j] += one_vs_rest() ? -row.sign(j) * ds : ds - own;
      }
      const double value = row.multipliers(there, start, b);
      row.to_scores(b, g);
      return std::pair(value, g);
    };
    Values slope(kClasses);
    row.diagonal(beta, diagonal);
    for (size_t k = 0; k < kClasses; ++k) {
      const auto [above, g1] = moved(k, kStep);
      const auto [below, g0] = moved(k, -kStep);
      EXPECT_NEAR((above - below) / (2 * kStep), gradient[k], 1e-7) << seed;
      for (size_t j = 0; j < kClasses; ++j) slope[j] += (g1[j] - g0[j]) / (2 * kStep) * double{v[k]};
      EXPECT_NEAR((g1[k] - g0[k]) / (2 * kStep), diagonal[k], 1e-6) << seed;
    }
    for (size_t j = 0; j < kClasses; ++j) EXPECT_NEAR(slope[j], curved[j], 1e-6) << seed;
  }
}

/// The dual objective of multipliers [N][K], and w(alpha), by plain loops; fails where they are not feasible.
double plain_dual(const SvmProblem& p, const Samples& s, const Values& alpha, Values& w) {
  const bool ovr = p.multi_class == MultiClass::one_vs_rest;
  w.assign(kClasses * (kFeatures + 1), 0);
  double out = 0;
  for (size_t i = 0; i < kSamples; ++i) {
    const size_t t = i % kClasses;
    double sum = 0, squares = 0;
    for (size_t k = 0; k < kClasses; ++k) {
      const double a = alpha[i * kClasses + k];
      EXPECT_GE(a, 0);
      if (!p.squared && ovr) {
        EXPECT_LE(a, p.C);
      }
      if (!ovr && k == t) {
        EXPECT_EQ(a, 0);
      }
      sum += a, squares += a * a;
      for (size_t d = 0; d <= kFeatures; ++d) {
        const double ax = a * s.at(i, d);
        w[k * (kFeatures + 1) + d] += ovr && k == t ? ax : -ax;
        if (!ovr) w[t * (kFeatures + 1) + d] += ax;
      }
    }
    if (!p.squared && !ovr) {
      EXPECT_LE(sum, p.C * (1 + 1e-12));
    }
    out += sum;
    if (p.squared) out -= (ovr ? squares : sum * sum) / (4 * p.C);
  }
  for (const double x : w) out -= x * x / 2;
  return out;
}

TEST_P(Svm, SolverProvesItsSolution) {
  const Samples s;
  SvmSolver solver(s.x, s.target(), kClasses, problem);
  Tensor weight = zeros({kClasses, kFeatures}), bias = zeros({kClasses});
  for (int round = 0; round < 25; ++round) solver.round(weight, bias);
  const Values w = joined(weight, bias), alpha = solver.state().alpha.to_vector<double>();
  Values made;
  const double primal = plain_objective(problem, s, w), dual = plain_dual(problem, s, alpha, made);
  // No weights are better than the dual, by weak duality: this is the optimum, whatever led to it.
  EXPECT_GE(primal, dual * (1 - 1e-9));
  EXPECT_LE(primal - dual, 1e-4 * primal);
  const SvmReport report = solver.report(weight, bias);
  EXPECT_NEAR(report.objective / primal, 1, 1e-6);
  EXPECT_NEAR(report.dual.value() / dual, 1, 1e-6);
  double apart = 0;  // the objective is strongly convex: weights this near to the optimum have this distance
  for (size_t i = 0; i < w.size(); ++i) apart += (made[i] - w[i]) * (made[i] - w[i]);
  EXPECT_LE(apart, 2 * (primal - dual) * (1 + 1e-6));
  int64_t support = 0;
  for (size_t i = 0; i < kSamples; ++i) {
    double most = 0;
    for (size_t k = 0; k < kClasses; ++k) most = std::max(most, alpha[i * kClasses + k]);
    support += most > 0 ? 1 : 0;
  }
  EXPECT_EQ(report.support_vectors, support);
  EXPECT_LT(support, static_cast<int64_t>(kSamples));
}

TEST_P(Svm, SolverGoesOnFromItsStateWithTheSameBits) {
  const Samples s;
  const auto values = [&](bool handed_over) {
    auto solver = std::make_unique<SvmSolver>(s.x, s.target(), kClasses, problem);
    Tensor weight = zeros({kClasses, kFeatures}), bias = zeros({kClasses});
    for (int round = 0; round < 6; ++round) {
      solver->round(weight, bias);
      if (!handed_over || round != 2) continue;
      const SvmSolver::State state = solver->state();
      solver = std::make_unique<SvmSolver>(s.x, s.target(), kClasses, problem);
      solver->load_state(state);
    }
    return joined(weight, bias);
  };
  EXPECT_EQ(values(true), values(false));
}

TEST(SvmSolver, RefusesWhatItCannotSolve) {
  const Tensor target = from_vector(std::vector<int64_t>{0, 1}, {2});
  EXPECT_THAT(error_of([&] { SvmSolver(zeros({2, 2049}), target, 2, {}); }),
              HasSubstr("2049 features are more than 2048; SGD takes any number"));
  EXPECT_THAT(error_of([&] { SvmSolver(zeros({2, 3}, DType::f64), target, 2, {}); }), HasSubstr("[N,D] of f32"));
  EXPECT_THAT(error_of([&] { SvmSolver(zeros({2, 3}), target, 2, {.C = 0}); }),
              HasSubstr("C is 0, it must be positive"));
  EXPECT_THAT(error_of([&] { SvmSolver(zeros({2, 3}), target, 2, {}, {.growth = 0.5}); }),
              HasSubstr("growth is 0.5, it must be at least 1"));
  EXPECT_THAT(error_of([&] { SvmSolver(zeros({2, 3}), target, 1, {}); }),
              HasSubstr("needs two classes or more, there is 1"));
  EXPECT_THAT(error_of([&] { SvmSolver(zeros({2, 3}), target, 2, {}).load_state({zeros({2, 3}, DType::f64), 1}); }),
              HasSubstr("multipliers are [2, 3] of f64, [2, 2] of f64 are expected"));
}

TEST(Cholesky, SolvesAndRefuses) {
  constexpr int64_t kSize = 21;
  const Tensor a = normal({kSize, kSize}, 0, 1, RandomKey{1}, DType::f64);
  std::vector<int64_t> places;
  for (int64_t i = 0; i < kSize; ++i) places.push_back(i);
  const Tensor matrix = matmul(a, transpose(a, 0, 1)) + one_hot(from_vector(places, {kSize}), kSize, DType::f64);
  const Values wanted = normal({kSize}, 0, 1, RandomKey{2}, DType::f64).to_vector<double>();
  Values x = matmul(matrix, from_vector(wanted, {kSize})).to_vector<double>();
  Cholesky(matrix.to_vector<double>(), kSize).solve(x.data());
  for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], wanted[i], 1e-9);
  EXPECT_THAT(error_of([] { Cholesky({1, 2, 2, 1}, 2); }), HasSubstr("not positive definite: pivot 1 is -3"));
}

}  // namespace
}  // namespace ingot
