#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/parallel.h"
#include "ingot/autograd.h"
#include "ingot/ops.h"
#include "ingot/svm.h"
#include "optim/cholesky.h"
#include "optim/svm_rows.h"

namespace ingot {
namespace {

using Vector = std::vector<double>;

constexpr int64_t kMostFeatures = 2048;
constexpr int64_t kMostRows = 2048;  // that a block of the preconditioner is made of
constexpr int64_t kMostSteps = 40;   // of conjugate gradients
constexpr int64_t kStale = 12;       // steps from which on the next system has a new preconditioner
constexpr double kSolved = 0.1;      // ends them: so much of the gradient is left
constexpr double kDescent = 1e-4;    // Armijo's
constexpr double kRounding = 1e-7;   // of the objective, from f32 scores
constexpr double kExact = 0.1;       // ends a round, see finished()
constexpr double kRest = 1e-6;
constexpr int64_t kGrain = 256;  // samples

double dot(const Vector& a, const Vector& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }
double total(const Vector& a) { return std::accumulate(a.begin(), a.end(), 0.0); }
double norm(const Vector& a) { return std::sqrt(dot(a, a)); }
Vector sum(const Vector& a, double factor, const Vector& b) {
  Vector out(a.size());
  for (size_t i = 0; i < a.size(); ++i) out[i] = a[i] + factor * b[i];
  return out;
}

}  // namespace

struct SvmSolver::Impl {
  /// Weights with what the smoothed objective says there.
  struct Point {
    double value = 0, primal = 0, dual = 0;  // the smoothed objective, P(w), D(beta)
    Vector w;                                // [K,D], the bias last in each row
    Vector beta, grad;
  };

  SvmRow row(size_t i) const { return {problem, sigma, static_cast<size_t>(target[i])}; }
  template <class T>
  auto part(std::vector<T>& all, size_t i) const {
    return std::span(&all[i * classes], classes);
  }
  template <class T>
  auto part(const std::vector<T>& all, size_t i) const {
    return std::span(&all[i * classes], classes);
  }
  std::vector<float> scores(const Vector& w) const;
  Vector back(const Vector& by_scores) const;
  Point look(Vector w) const;
  std::vector<Cholesky> factors(const Vector& beta) const;
  Vector curve(const Vector& beta, const Vector& w) const;
  Vector direction(const Point& at, std::vector<Cholesky>& blocks) const;
  bool finished(const Point& at) const;
  Point search(const Point& from, const Vector& direction) const;

  SvmProblem problem;
  SvmSolverOptions options;
  Tensor x;  // [N,D+1], with the feature that is always 1
  std::vector<int64_t> target;
  size_t classes, width;
  Vector alpha;
  double sigma;
};

std::vector<float> SvmSolver::Impl::scores(const Vector& w) const {
  const Tensor weight = cast(from_vector(w, {static_cast<int64_t>(classes), static_cast<int64_t>(width)}), DType::f32);
  return linear(x, weight).to_vector<float>();
}

/// The weights' gradient from the scores'.
Vector SvmSolver::Impl::back(const Vector& by_scores) const {
  const Shape shape{static_cast<int64_t>(target.size()), static_cast<int64_t>(classes)};
  return matmul(transpose(cast(from_vector(by_scores, shape), DType::f32), 0, 1), x).to_vector<double>();
}

SvmSolver::Impl::Point SvmSolver::Impl::look(Vector w) const {
  const auto s = scores(w);
  Vector beta(alpha.size()), by_scores(alpha.size()), values(target.size()), losses(values), duals(values);
  parallel_for(static_cast<int64_t>(target.size()), kGrain, [&](int64_t begin, int64_t end) {
    Vector z(classes);
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      const SvmRow r = row(i);
      r.missing(part(s, i), z);
      values[i] = r.multipliers(z, part(alpha, i), part(beta, i));
      losses[i] = problem.C * r.loss(z);
      duals[i] = r.dual(part(std::as_const(beta), i));
      r.to_scores(part(std::as_const(beta), i), part(by_scores, i));
    }
  });
  Vector grad = sum(w, 1, back(by_scores));
  const Vector made = sum(w, -1, grad);  // w(beta)
  const double size = dot(w, w) / 2;
  return {.value = size + total(values),
          .primal = size + total(losses),
          .dual = total(duals) - dot(made, made) / 2,
          .w = std::move(w),
          .beta = std::move(beta),
          .grad = std::move(grad)};
}

/// Of each class's own block of the Hessian, 1 + sum_i diagonal_ik x_i x_i^T, or an estimate from some of its samples.
std::vector<Cholesky> SvmSolver::Impl::factors(const Vector& beta) const {
  Vector weights(beta.size());
  for (size_t i = 0; i < target.size(); ++i) row(i).diagonal(part(beta, i), part(weights, i));
  std::vector<Vector> blocks(classes);
  for (size_t k = 0; k < classes; ++k) {
    std::vector<int64_t> rows;
    for (size_t i = 0; i < target.size(); ++i)
      if (weights[i * classes + k] > 0) rows.push_back(static_cast<int64_t>(i));
    const auto count = static_cast<int64_t>(rows.size()),
               step = std::max<int64_t>(1, (count + kMostRows - 1) / kMostRows);
    std::vector<int64_t> chosen;
    std::vector<float> roots;
    for (int64_t i = 0; i < count; i += step) {
      chosen.push_back(rows[static_cast<size_t>(i)]);
      const double weight = weights[static_cast<size_t>(chosen.back()) * classes + k];
      roots.push_back(static_cast<float>(std::sqrt(weight * static_cast<double>(step))));
    }
    blocks[k].assign(width * width, 0);
    if (!chosen.empty()) {
      const auto size = static_cast<int64_t>(chosen.size());
      const Tensor scaled = index_select(x, 0, from_vector(chosen, {size})) * from_vector(roots, {size, 1});
      blocks[k] = matmul(transpose(scaled, 0, 1), scaled).to_vector<double>();
    }
    for (size_t d = 0; d < width; ++d) blocks[k][d * width + d] += 1;
  }
  std::vector<Cholesky> out(classes);
  parallel_for(static_cast<int64_t>(classes), 1, [&](int64_t begin, int64_t end) {
    for (auto k = static_cast<size_t>(begin); k < static_cast<size_t>(end); ++k)
      out[k] = Cholesky(std::move(blocks[k]), static_cast<int64_t>(width));
  });
  return out;
}

/// The (generalised) Hessian at beta times w.
Vector SvmSolver::Impl::curve(const Vector& beta, const Vector& w) const {
  const auto s = scores(w);
  Vector by_scores(beta.size());
  parallel_for(static_cast<int64_t>(target.size()), kGrain, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i)
      row(i).curve(part(beta, i), part(s, i), part(by_scores, i));
  });
  return sum(w, 1, back(by_scores));
}

/// Newton's, by conjugate gradients. `blocks` are factors of an earlier point, made anew where they are too far off.
Vector SvmSolver::Impl::direction(const Point& at, std::vector<Cholesky>& blocks) const {
  if (blocks.empty()) blocks = factors(at.beta);
  const auto preconditioned = [&](Vector r) {
    parallel_for(static_cast<int64_t>(classes), 1, [&](int64_t begin, int64_t end) {
      for (auto k = static_cast<size_t>(begin); k < static_cast<size_t>(end); ++k) blocks[k].solve(&r[k * width]);
    });
    return r;
  };
  Vector d(at.w.size()), left = sum(d, -1, at.grad), z = preconditioned(left), along = z;
  const double enough = kSolved * norm(left);
  double size = dot(left, z);
  int64_t step = 0;
  for (; step < kMostSteps && norm(left) > enough; ++step) {
    const Vector curved = curve(at.beta, along);
    const double length = size / dot(along, curved);
    d = sum(d, length, along);
    left = sum(left, -length, curved);
    z = preconditioned(left);
    const double next = dot(left, z);
    along = sum(z, next / size, along);
    size = next;
  }
  if (step > kStale) blocks.clear();
  return d;
}

SvmSolver::Impl::Point SvmSolver::Impl::search(const Point& from, const Vector& direction) const {
  const double slope = dot(from.grad, direction);
  for (double t = 1;; t /= 2) {
    Point there = look(sum(from.w, t, direction));
    if (there.value <= from.value + kDescent * t * slope + kRounding * from.value || t < kDescent) return there;
  }
}

/// The gap is 1/2 ||grad||^2 and a part by which multipliers and margins do not fit each other, which is for rounds to
/// close: the former need not be much smaller than the latter.
bool SvmSolver::Impl::finished(const Point& at) const {
  const double inexact = dot(at.grad, at.grad) / 2, rest = at.primal - at.dual - inexact;
  return inexact <= std::max(kRest * at.primal, kExact * rest);
}

SvmSolver::SvmSolver(const Tensor& features, const Tensor& target, int64_t classes, const SvmProblem& problem,
                     const SvmSolverOptions& options) {
  CHECK(features.rank() == 2 && features.dtype() == DType::f32,
        "the SVM's features are {} of {}, [N,D] of f32 are expected", to_string(features.shape()),
        name_of(features.dtype()));
  CHECK(problem.C > 0, "the SVM's C is {}, it must be positive", problem.C);
  CHECK(options.sigma > 0, "SvmSolver: sigma is {}, it must be positive", options.sigma);
  CHECK(options.growth >= 1, "SvmSolver: growth is {}, it must be at least 1", options.growth);
  CHECK(classes > 1, "an SVM needs two classes or more, there is {}", classes);
  const int64_t samples = features.size(0), width = features.size(1);
  CHECK(width <= kMostFeatures,
        "the SVM solver factors a matrix of all features for each class: {} features are more than {}; SGD takes any "
        "number",
        width, kMostFeatures);
  const Tensor x = contiguous(concat({features, full({samples, 1}, 1)}, 1));
  impl_ = std::unique_ptr<Impl>(new Impl{.problem = problem,
                                         .options = options,
                                         .x = x,
                                         .target = target.to_vector<int64_t>(),
                                         .classes = static_cast<size_t>(classes),
                                         .width = static_cast<size_t>(width + 1),
                                         .alpha = Vector(static_cast<size_t>(samples * classes)),
                                         .sigma = options.sigma});
}
SvmSolver::~SvmSolver() = default;

void SvmSolver::round(Tensor& weight, Tensor& bias) {
  const NoGrad no_grad;
  Impl& m = *impl_;
  const Tensor both = concat({weight, unsqueeze(bias, 1)}, 1);
  Impl::Point at = m.look(both.to_vector<double>());
  std::vector<Cholesky> blocks;
  for (int64_t step = 0; step < m.options.newton_steps && !m.finished(at); ++step)
    at = m.search(at, m.direction(at, blocks));
  if (m.finished(at)) m.sigma = std::min(m.options.max_sigma, m.sigma * m.options.growth);
  m.alpha = std::move(at.beta);
  const Tensor now = from_vector(at.w, both.shape());
  copy_into(weight, slice(now, 1, 0, weight.size(1)));
  copy_into(bias, select(now, 1, weight.size(1)));
}

SvmReport SvmSolver::report(const Tensor& weight, const Tensor& bias) const {
  const NoGrad no_grad;
  const Impl& m = *impl_;
  const Vector w = concat({weight, unsqueeze(bias, 1)}, 1).to_vector<double>();
  const Tensor scores =
      from_vector(m.scores(w), {static_cast<int64_t>(m.target.size()), static_cast<int64_t>(m.classes)});
  SvmReport out =
      svm_report(scores, from_vector(m.target, {static_cast<int64_t>(m.target.size())}), weight, bias, m.problem);
  Vector by_scores(m.alpha.size());
  double dual = 0;
  out.support_vectors = 0;
  for (size_t i = 0; i < m.target.size(); ++i) {
    const SvmRow row = m.row(i);
    const auto alpha = m.part(m.alpha, i);
    dual += row.dual(alpha);
    row.to_scores(alpha, m.part(by_scores, i));
    out.support_vectors += *std::max_element(alpha.begin(), alpha.end()) > 0 ? 1 : 0;
  }
  const Vector made = m.back(by_scores);
  out.dual = dual - dot(made, made) / 2;
  return out;
}

SvmSolver::State SvmSolver::state() const {
  const auto samples = static_cast<int64_t>(impl_->target.size()), classes = static_cast<int64_t>(impl_->classes);
  return {from_vector(impl_->alpha, {samples, classes}), impl_->sigma};
}

void SvmSolver::load_state(const State& state) {
  const Shape wanted = this->state().alpha.shape();
  CHECK(state.alpha.shape() == wanted && state.alpha.dtype() == DType::f64,
        "the SVM's multipliers are {} of {}, {} of f64 are expected", to_string(state.alpha.shape()),
        name_of(state.alpha.dtype()), to_string(wanted));
  impl_->alpha = state.alpha.to_vector<double>();
  impl_->sigma = state.sigma;
}

}  // namespace ingot
