#include "ingot/lbfgs.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "base/check.h"
#include "ingot/autograd.h"
#include "ingot/ops.h"
#include "optim/line_search.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

using Vector = std::vector<double>;

constexpr double kLeastCurvature = 1e-10;  // of a pair that is remembered

double dot(const Vector& a, const Vector& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }
void add_to(Vector& y, double factor, const Vector& x) {
  for (size_t i = 0; i < y.size(); ++i) y[i] += factor * x[i];
}
double largest(const Vector& x) {
  double out = 0;
  for (const double v : x) out = std::max(out, std::abs(v));
  return out;
}
double sum_of_sizes(const Vector& x) {
  double out = 0;
  for (const double v : x) out += std::abs(v);
  return out;
}

int64_t count_of(const Tensors& params) {
  int64_t count = 0;
  for (const Tensor& x : params) count += x.numel();
  return count;
}

void check(const LBFGSOptions& o) {
  CHECK(o.lr > 0, "LBFGS: lr is {}, it must be positive", o.lr);
  CHECK(o.max_iter > 0, "LBFGS: max_iter is {}, it must be positive", o.max_iter);
  CHECK(o.max_eval.value_or(1) > 0, "LBFGS: max_eval is {}, it must be positive", o.max_eval.value_or(0));
  CHECK(o.history_size > 0, "LBFGS: history_size is {}, it must be positive", o.history_size);
  CHECK(o.tolerance_grad >= 0 && o.tolerance_change >= 0,
        "LBFGS: tolerance_grad and tolerance_change are {} and {}, they must not be negative", o.tolerance_grad,
        o.tolerance_change);
}

}  // namespace

LBFGS::LBFGS(const Tensors& params, const LBFGSOptions& options) : params_(params), options_(options) {
  check(options);
  std::set<const TensorImpl*> known;
  for (size_t i = 0; i < params.size(); ++i) {
    CHECK(params[i].defined() && params[i].is_leaf(), "LBFGS: parameter {} is {}", i,
          params[i].defined() ? "not a leaf, so it cannot be optimised" : "undefined");
    CHECK(known.insert(params[i].impl().get()).second, "LBFGS: parameter {} is given twice", i);
  }
}

void LBFGS::zero_grad() {
  for (Tensor& x : params_) x.set_grad({});
}

std::vector<double> LBFGS::flat_params() const {
  Vector out;
  out.reserve(static_cast<size_t>(count_of(params_)));
  for (const Tensor& x : params_) {
    const auto values = x.to_vector<double>();
    out.insert(out.end(), values.begin(), values.end());
  }
  return out;
}

LBFGS::Value LBFGS::evaluate(const Closure& closure) {
  const Tensor loss = closure();
  ++state_.func_evals;
  Value out{loss.item<double>(), {}};
  out.grad.reserve(static_cast<size_t>(count_of(params_)));
  for (const Tensor& x : params_) {
    if (!x.grad().defined()) {
      out.grad.resize(out.grad.size() + static_cast<size_t>(x.numel()));
      continue;
    }
    const auto values = x.grad().to_vector<double>();
    out.grad.insert(out.grad.end(), values.begin(), values.end());
  }
  return out;
}

void LBFGS::move(const Vector& from, double t) {
  const NoGrad no_grad;
  size_t at = 0;
  for (Tensor& x : params_) {
    Vector values(static_cast<size_t>(x.numel()));
    for (double& v : values) {
      v = from[at] + t * state_.d[at];
      ++at;
    }
    copy_into(x, from_vector(values, x.shape()));
  }
}

/// Takes the last move and what it did to the gradient into the history, unless the curvature along it is not positive.
void LBFGS::remember(const Vector& grad) {
  Vector y = grad, s = state_.d;
  add_to(y, -1, state_.prev_flat_grad);
  for (double& v : s) v *= state_.t;
  const double ys = dot(y, s);
  if (ys <= kLeastCurvature) return;
  if (state_.old_dirs.size() == static_cast<size_t>(options_.history_size)) {
    state_.old_dirs.erase(state_.old_dirs.begin());
    state_.old_stps.erase(state_.old_stps.begin());
    state_.ro.erase(state_.ro.begin());
  }
  state_.H_diag = ys / dot(y, y);
  state_.old_dirs.push_back(std::move(y));
  state_.old_stps.push_back(std::move(s));
  state_.ro.push_back(1 / ys);
}

/// d = -H * gradient by the two loops over the history, algorithm 7.4.
void LBFGS::find_direction(const Vector& grad) {
  Vector& d = state_.d;
  d.assign(grad.size(), 0);
  add_to(d, -1, grad);
  const size_t pairs = state_.ro.size();
  Vector alpha(pairs);
  for (size_t i = pairs; i-- > 0;) {
    alpha[i] = dot(state_.old_stps[i], d) * state_.ro[i];
    add_to(d, -alpha[i], state_.old_dirs[i]);
  }
  for (double& v : d) v *= state_.H_diag;
  for (size_t i = 0; i < pairs; ++i)
    add_to(d, alpha[i] - dot(state_.old_dirs[i], d) * state_.ro[i], state_.old_stps[i]);
}

double LBFGS::step(const Closure& closure) {
  const int64_t most = options_.max_eval.value_or(options_.max_iter * 5 / 4), before = state_.func_evals;
  Value now = evaluate(closure);
  const double first_loss = now.loss;
  if (largest(now.grad) <= options_.tolerance_grad) return first_loss;
  for (int64_t iteration = 1; iteration <= options_.max_iter; ++iteration) {
    const bool fresh = state_.n_iter++ == 0;
    if (!fresh) remember(now.grad);
    find_direction(now.grad);
    state_.prev_flat_grad = now.grad;
    const double previous = now.loss, slope = dot(now.grad, state_.d);
    state_.t = fresh ? std::min(1.0, 1 / sum_of_sizes(now.grad)) * options_.lr : options_.lr;
    if (slope > -options_.tolerance_change) break;

    const Vector from = flat_params();
    const bool last = iteration == options_.max_iter;
    if (options_.line_search_fn == LineSearch::strong_wolfe) {
      const auto look = [&](double t) {
        move(from, t);
        Value there = evaluate(closure);
        return LinePoint{t, there.loss, dot(there.grad, state_.d), std::move(there.grad)};
      };
      LinePoint found = strong_wolfe(look, {0, now.loss, slope, now.grad}, state_.t, largest(state_.d));
      state_.t = found.t;
      now = {found.value, std::move(found.grad)};
      move(from, state_.t);
    } else {
      move(from, state_.t);
      if (!last) now = evaluate(closure);
    }
    const bool still = largest(state_.d) * std::abs(state_.t) <= options_.tolerance_change ||
                       std::abs(now.loss - previous) < options_.tolerance_change;
    if (last || still || state_.func_evals - before >= most || largest(now.grad) <= options_.tolerance_grad) break;
  }
  return first_loss;
}

void LBFGS::load_state(State state) {
  const auto count = static_cast<size_t>(count_of(params_));
  const auto fits = [&](const Vector& x) { return x.size() == count || (state.n_iter == 0 && x.empty()); };
  bool all = fits(state.d) && fits(state.prev_flat_grad) && state.old_dirs.size() == state.ro.size() &&
             state.old_stps.size() == state.ro.size();
  for (const auto* list : {&state.old_dirs, &state.old_stps})
    for (const Vector& x : *list) all = all && x.size() == count;
  CHECK(all, "LBFGS: the state is not of {} parameters' elements", count);
  state_ = std::move(state);
}

}  // namespace ingot
