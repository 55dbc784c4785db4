#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "ingot/autograd.h"
#include "ingot/ops.h"
#include "ingot/optim.h"

namespace ingot {
namespace {

// Sums in f64, so that the norm of millions of gradients is as exact as one of few.
double power_sum(const Tensor& grad, double p) {
  double total = 0;
  for (const double g : grad.to_vector<double>()) total += p == 2 ? g * g : std::pow(std::abs(g), p);
  return total;
}

double largest(const Tensor& grad) {
  double most = 0;
  for (const double g : grad.to_vector<double>()) most = std::isnan(g) ? g : std::max(most, std::abs(g));
  return most;
}

double norm_of(const Tensors& grads, double p) {
  double total = 0;
  for (const Tensor& g : grads) {
    if (std::isinf(p))
      total = std::max(largest(g), total);
    else
      total += power_sum(g, p);
  }
  return std::isinf(p) ? total : std::pow(total, 1 / p);
}

Tensors gradients(const Tensors& params) {
  Tensors grads;
  for (const Tensor& p : params)
    if (p.grad().defined()) grads.push_back(p.grad());
  return grads;
}

}  // namespace

double clip_grad_norm(const Tensors& params, double max_norm, const ClipOptions& options) {
  CHECK(max_norm >= 0, "max_norm is {}, it must not be negative", max_norm);
  CHECK(options.norm_type > 0, "norm_type is {}, it must be positive", options.norm_type);
  const NoGrad no_grad;
  Tensors grads = gradients(params);
  const double norm = norm_of(grads, options.norm_type);
  CHECK(!options.error_if_nonfinite || std::isfinite(norm), "the norm of the gradients is {}", norm);
  constexpr double kAgainstZero = 1e-6;
  const double factor = max_norm / (norm + kAgainstZero);
  if (factor >= 1) return norm;
  for (Tensor& g : grads) copy_into(g, g * factor);
  return norm;
}

void clip_grad_value(const Tensors& params, double value) {
  CHECK(value >= 0, "the bound of the gradients is {}, it must not be negative", value);
  const NoGrad no_grad;
  for (Tensor& g : gradients(params)) copy_into(g, clamp(g, -value, value));
}

}  // namespace ingot
