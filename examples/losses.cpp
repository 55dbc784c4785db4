// Cross-entropy is divergence plus entropy, and why it is the loss for classes: against the mean squared error of the
// softmax's probabilities, by exact Hessians and by the gradient where a wrong answer is sure of itself. Prints the
// tables of docs/losses.md.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <utility>
#include <vector>

#include "ingot/losses.h"

using namespace ingot;

namespace {

constexpr int64_t kSamples = 12, kFeatures = 3, kClasses = 3, kHidden = 3;
constexpr double kExact = 1e-10;

using Values = std::vector<double>;
using Matrix = std::vector<Values>;
using Function = std::function<Tensor(const Tensor& params)>;

Values values(const Tensor& x) { return x.to_vector<double>(); }
double length(const Values& x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return std::sqrt(sum);
}

// ---- Cross-entropy is divergence plus entropy

/// The largest error of the identity, in the losses and their gradients.
double print_identity() {
  const Shape shape{4, 5};
  const Tensor p = softmax(normal(shape, 0, 2, RandomKey{1}, DType::f64));
  const Tensor scores = normal(shape, 0, 2, RandomKey{2}, DType::f64).set_requires_grad();
  const Tensor cross = cross_entropy(scores, p, {.reduction = Reduction::none});
  const Tensor divergence = sum(kl_div(log_softmax(scores), p, {.reduction = Reduction::none}), {1});
  const Values both = values(cross), kl = values(divergence), h = values(entropy(p));
  double worst = 0;
  std::printf("| sample | H(p, q) | KL(p, q) | H(p) |\n|---|---|---|---|\n");
  for (size_t i = 0; i < both.size(); ++i) {
    std::printf("| %zu | %.4f | %.4f | %.4f |\n", i + 1, both[i], kl[i], h[i]);
    worst = std::max(worst, std::abs(both[i] - kl[i] - h[i]));
  }
  const Values a = values(grad({sum(cross)}, {scores})[0]), b = values(grad({sum(divergence)}, {scores})[0]);
  for (size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  std::printf("\n");
  return worst;
}

// ---- Hessians

/// Row by row, by two passes backward.
Matrix hessian(const Function& f, const Tensor& at) {
  const Tensor x = detach(at).set_requires_grad();
  const Tensor g = grad({f(x)}, {x}, {}, {.create_graph = true})[0];
  Matrix out;
  for (int64_t i = 0; i < x.numel(); ++i)
    out.push_back(values(grad({select(g, 0, i)}, {x}, {}, {.retain_graph = true})[0]));
  return out;
}

/// Of a symmetric matrix, in order, by Jacobi's rotations.
Values eigenvalues(Matrix a) {
  constexpr int kSweeps = 50;
  const size_t n = a.size();
  for (int sweep = 0; sweep < kSweeps; ++sweep)
    for (size_t p = 0; p < n; ++p)
      for (size_t q = p + 1; q < n; ++q) {
        if (a[p][q] == 0) continue;
        const double theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
        const double t = (theta < 0 ? -1 : 1) / (std::abs(theta) + std::hypot(theta, 1));
        const double c = 1 / std::hypot(t, 1), s = t * c;
        for (size_t k = 0; k < n; ++k) {
          const double x = a[k][p], y = a[k][q];
          a[k][p] = c * x - s * y, a[k][q] = s * x + c * y;
        }
        for (size_t k = 0; k < n; ++k) {
          const double x = a[p][k], y = a[q][k];
          a[p][k] = c * x - s * y, a[q][k] = s * x + c * y;
        }
      }
  Values out;
  for (size_t i = 0; i < n; ++i) out.push_back(a[i][i]);
  std::sort(out.begin(), out.end());
  return out;
}

/// Softmax regression on inputs [N,D] with one-hot targets [N,K], as functions of the weights [K*D].
struct Regression {
  Tensor x, y;

  Tensor scores(const Tensor& w) const { return matmul(x, transpose(reshape(w, {kClasses, kFeatures}), 0, 1)); }
  Tensor ce(const Tensor& w) const { return cross_entropy(scores(w), y); }
  Tensor mse(const Tensor& w) const { return mean(sum(square(softmax(scores(w)) - y), {1})); }
};

/// d^2 loss / d s_j d s_l of one sample with probabilities p and target y.
double ce_curve(const double* p, const double*, size_t j, size_t l) { return p[j] * ((j == l ? 1 : 0) - p[l]); }
double mse_curve(const double* p, const double* y, size_t j, size_t l) {
  double m = 0, n = 0;  // of p - y and of 2 p - y under p
  for (size_t k = 0; k < kClasses; ++k) m += p[k] * (p[k] - y[k]), n += p[k] * (2 * p[k] - y[k]);
  const double moved = ce_curve(p, y, j, l);
  return 2 * moved * (p[j] - y[j] - m) + 2 * p[j] * (moved - p[l] * (2 * p[l] - y[l] - n));
}

/// The same Hessian by its formula, mean over samples of curve (x) x x^T.
template <class Curve>
Matrix closed_form(const Regression& r, const Tensor& w, const Curve& curve) {
  const Values p = values(softmax(r.scores(w))), x = values(r.x), y = values(r.y);
  Matrix out(kClasses * kFeatures, Values(kClasses * kFeatures));
  for (size_t i = 0; i < out.size(); ++i)
    for (size_t j = 0; j < out.size(); ++j)
      for (size_t n = 0; n < kSamples; ++n)
        out[i][j] += curve(&p[n * kClasses], &y[n * kClasses], i / kFeatures, j / kFeatures) *
                     x[n * kFeatures + i % kFeatures] * x[n * kFeatures + j % kFeatures] / kSamples;
  return out;
}

double difference(const Matrix& a, const Matrix& b) {
  double out = 0;
  for (size_t i = 0; i < a.size(); ++i)
    for (size_t j = 0; j < a.size(); ++j) out = std::max(out, std::abs(a[i][j] - b[i][j]));
  return out;
}

/// Adding one vector to all classes' weights changes no probability: these eigenvalues are 0 for both losses and are
/// moved out of the way.
Matrix without_shifts(Matrix h) {
  constexpr double kFar = 1e3;
  for (size_t i = 0; i < h.size(); ++i)
    for (size_t j = 0; j < h.size(); ++j)
      if (i % kFeatures == j % kFeatures) h[i][j] += kFar;
  return h;
}

/// A plane of inputs and the feature 1, in three clouds.
Regression clouds() {
  const Values noise = values(normal({kSamples, kFeatures}, 0, 0.7, RandomKey{3}, DType::f64));
  Values x(noise.size());
  std::vector<int64_t> t(kSamples);
  for (size_t n = 0; n < kSamples; ++n) {
    t[n] = static_cast<int64_t>(n % kClasses);
    const double angle = 2.1 * static_cast<double>(t[n]);
    x[n * kFeatures] = std::cos(angle) + noise[n * kFeatures];
    x[n * kFeatures + 1] = std::sin(angle) + noise[n * kFeatures + 1];
    x[n * kFeatures + 2] = 1;
  }
  return {from_vector(x, {kSamples, kFeatures}), one_hot(from_vector(t, {kSamples}), kClasses, DType::f64)};
}

/// Least eigenvalues at several weights. Returns whether those of cross-entropy alone are never negative, as far as
/// both ways to the Hessians agree.
bool print_hessians(const Regression& r) {
  const Tensor some = normal({kClasses * kFeatures}, 0, 1, RandomKey{4}, DType::f64);
  const std::pair<const char*, Tensor> points[] = {
      {"0", some * 0.0}, {"w", some}, {"2 w", some * 2.0}, {"-w", -some}, {"-4 w", some * -4.0}};
  bool convex = true, both = true, agree = true;
  std::printf("| weights | cross-entropy: loss | least eigenvalue | squared error: loss | least eigenvalue |\n");
  std::printf("|---|---|---|---|---|\n");
  for (const auto& [name, w] : points) {
    const Matrix ce = hessian([&](const Tensor& x) { return r.ce(x); }, w);
    const Matrix mse = hessian([&](const Tensor& x) { return r.mse(x); }, w);
    agree = agree && difference(ce, closed_form(r, w, ce_curve)) < kExact &&
            difference(mse, closed_form(r, w, mse_curve)) < kExact;
    convex = convex && eigenvalues(ce)[0] > -kExact;
    const double least_ce = eigenvalues(without_shifts(ce))[0], least_mse = eigenvalues(without_shifts(mse))[0];
    both = both && least_mse > -kExact;
    std::printf("| `%s` | %.3f | %.2e | %.3f | %.2e |\n", name, r.ce(w).item<double>(), least_ce,
                r.mse(w).item<double>(), least_mse);
  }
  std::printf("\n");
  return convex && !both && agree;
}

/// The least eigenvalues of a net with one hidden layer. Returns whether both are negative.
bool print_deep(const Regression& r) {
  constexpr int64_t kFirst = kHidden * kFeatures, kAll = kFirst + kClasses * kHidden;
  const auto scores = [&](const Tensor& w) {
    const Tensor hidden = tanh(matmul(r.x, transpose(reshape(slice(w, 0, 0, kFirst), {kHidden, kFeatures}), 0, 1)));
    return matmul(hidden, transpose(reshape(slice(w, 0, kFirst, kAll), {kClasses, kHidden}), 0, 1));
  };
  const Tensor at = normal({kAll}, 0, 1, RandomKey{5}, DType::f64);
  const auto least = [&](const Function& f) { return eigenvalues(hessian(f, at))[0]; };
  const double ce = least([&](const Tensor& w) { return cross_entropy(scores(w), r.y); });
  const double mse = least([&](const Tensor& w) { return mean(sum(square(softmax(scores(w)) - r.y), {1})); });
  std::printf("| | cross-entropy | squared error |\n|---|---|---|\n| least eigenvalue | %.2e | %.2e |\n\n", ce, mse);
  return ce < 0 && mse < 0;
}

// ---- A wrong answer that is sure of itself

void print_saturation() {
  std::printf("| a | probability of the class | cross-entropy | its gradient | squared error | its gradient |\n");
  std::printf("|---|---|---|---|---|---|\n");
  const Tensor y = from_vector(Values{1, 0, 0}, {1, 3});
  for (const double a : {1.0, 2.0, 5.0, 10.0, 20.0}) {
    const Tensor s = from_vector(Values{0, a, 0}, {1, 3}).set_requires_grad();
    const Tensor ce = cross_entropy(s, y), mse = sum(square(softmax(s) - y));
    std::printf("| %.0f | %.1e | %.3f | %.3f | %.3f | %.1e |\n", a, values(softmax(s))[0], ce.item<double>(),
                length(values(grad({ce}, {s})[0])), mse.item<double>(), length(values(grad({mse}, {s})[0])));
  }
}

}  // namespace

int main() {
  const bool identity = print_identity() < 1e-12;
  const Regression regression = clouds();
  const bool hessians = print_hessians(regression), deep = print_deep(regression);
  print_saturation();
  return identity && hessians && deep ? 0 : 1;
}
