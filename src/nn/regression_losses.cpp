// Losses of numbers.
#include <cmath>
#include <numbers>

#include "nn/loss_parts.h"

namespace ingot {

Tensor mse_loss(const Tensor& x, const Tensor& target, Reduction reduction) {
  require_same_shape(x, target, "mse_loss");
  return reduced(square(x - target), reduction, "mse_loss");
}

Tensor l1_loss(const Tensor& x, const Tensor& target, Reduction reduction) {
  require_same_shape(x, target, "l1_loss");
  return reduced(abs(x - target), reduction, "l1_loss");
}

Tensor smooth_l1_loss(const Tensor& x, const Tensor& target, double beta, Reduction reduction) {
  require_same_shape(x, target, "smooth_l1_loss");
  require(beta >= 0, "smooth_l1_loss", "beta is {}, it must not be negative", beta);
  if (beta == 0) return l1_loss(x, target, reduction);
  const Tensor off = abs(x - target);
  return reduced(where(off < beta, square(off) * (0.5 / beta), off - 0.5 * beta), reduction, "smooth_l1_loss");
}

Tensor huber_loss(const Tensor& x, const Tensor& target, double delta, Reduction reduction) {
  require_same_shape(x, target, "huber_loss");
  require(delta > 0, "huber_loss", "delta is {}, it must be positive", delta);
  const Tensor off = abs(x - target);
  return reduced(where(off <= delta, square(off) * 0.5, (off - 0.5 * delta) * delta), reduction, "huber_loss");
}

Tensor poisson_nll_loss(const Tensor& x, const Tensor& target, const PoissonNllOptions& options) {
  require_same_shape(x, target, "poisson_nll_loss");
  Tensor loss = options.log_input ? exp(x) - target * x : x - target * log(x + options.eps);
  if (options.full) {
    const Tensor above = target > 1.0, one = scalar(1, target.dtype());
    const Tensor t = where(above, target, one);  // whose logarithm is no NaN
    const Tensor stirling = t * log(t) - t + log(t * (2 * std::numbers::pi)) * 0.5;
    loss = loss + where(above, stirling, scalar(0, target.dtype()));
  }
  return reduced(loss, options.reduction, "poisson_nll_loss");
}

Tensor gaussian_nll_loss(const Tensor& x, const Tensor& target, const Tensor& variance,
                         const GaussianNllOptions& options) {
  constexpr std::string_view kWho = "gaussian_nll_loss";
  require_same_shape(x, target, kWho);
  Shape shared = x.shape();
  if (!shared.empty()) shared[shared.size() - 1] = 1;
  require(variance.shape() == x.shape() || variance.shape() == shared, kWho,
          "the variance {} must be {}, or have size 1 in its last dimension", to_string(variance.shape()),
          to_string(x.shape()));
  require(options.eps > 0, kWho, "eps is {}, it must be positive", options.eps);
  if (!variance.is_abstract())
    for (const double v : variance.to_vector<double>()) require(v >= 0, kWho, "the variance {} is negative", v);
  const Tensor v = variance + detach(maximum(variance, options.eps) - variance);
  Tensor loss = (log(v) + square(x - target) / v) * 0.5;
  if (options.full) loss = loss + 0.5 * std::log(2 * std::numbers::pi);
  return reduced(loss, options.reduction, kWho);
}

}  // namespace ingot
