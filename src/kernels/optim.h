#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "ingot/dtype.h"

namespace ingot::kernels {

/// A parameter as an optimiser sees it: `count` contiguous elements of theta, of the gradient and of each state that
/// the rule below names, in the same order in all of them.
struct ParameterRun {
  void* theta;
  const void* grad;
  std::array<void*, 3> state;  // unused ones stay null
  int64_t count;
};

// One call updates all runs in one pass over memory, split over the threads. f32 and f64; every element is computed by
// the same IEEE operations in any tier, at any place of a run and by any number of threads: the bits are those of the
// plain formula without fused multiply-add. With `maximize` g = -g; then, unless the decay is decoupled,
// g += weight_decay * theta. Rules and defaults are PyTorch's.

/// buf = g on the first step, then momentum * buf + (1 - dampening) * g; g = nesterov ? g + momentum * buf : buf;
/// theta -= lr * g. State: buf; none where momentum is 0.
struct SgdStep {
  double lr;
  double momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false, maximize = false;
  bool first = false;
};
void sgd_step(const SgdStep& step, DType dtype, std::span<const ParameterRun> runs);

/// Duchi et al. 2011: s += g * g; theta -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps). State: s.
struct AdagradStep {
  double lr = 1e-2;
  double lr_decay = 0, weight_decay = 0, eps = 1e-10;
  bool maximize = false;
  int64_t t = 1;  // counts from 1
};
void adagrad_step(const AdagradStep& step, DType dtype, std::span<const ParameterRun> runs);

/// Kingma & Ba 2015; decoupled: AdamW, Loshchilov & Hutter 2019; amsgrad: Reddi et al. 2018.
///   m = beta1 * m + (1 - beta1) * g; v = beta2 * v + (1 - beta2) * g * g; amsgrad: u = max(u, v), else u is v;
///   decoupled: theta *= 1 - lr * weight_decay first;
///   theta -= lr / (1 - beta1^t) * m / (sqrt(u) / sqrt(1 - beta2^t) + eps).
/// States: m, v, and u for amsgrad.
struct AdamStep {
  double lr = 1e-3;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool amsgrad = false, decoupled = false, maximize = false;
  int64_t t = 1;
};
void adam_step(const AdamStep& step, DType dtype, std::span<const ParameterRun> runs);

/// Zeiler 2012: v = rho * v + (1 - rho) * g * g; d = sqrt(a + eps) / sqrt(v + eps) * g; theta -= lr * d;
/// a = rho * a + (1 - rho) * d * d. States: v, a.
struct AdadeltaStep {
  double lr = 1;
  double rho = 0.9, eps = 1e-6, weight_decay = 0;
  bool maximize = false;
};
void adadelta_step(const AdadeltaStep& step, DType dtype, std::span<const ParameterRun> runs);

/// v = alpha * v + (1 - alpha) * g * g; centered: b = alpha * b + (1 - alpha) * g and v - b * b in place of v below;
/// d = g / (sqrt(v) + eps); with momentum buf = momentum * buf + d, d = buf; theta -= lr * d.
/// States: v, then b if centered, then buf if momentum is not 0.
struct RmspropStep {
  double lr = 1e-2;
  double alpha = 0.99, eps = 1e-8, weight_decay = 0, momentum = 0;
  bool centered = false, maximize = false;
};
void rmsprop_step(const RmspropStep& step, DType dtype, std::span<const ParameterRun> runs);

/// Kingma & Ba 2015, section 7.1: m as Adam's; u = max(beta2 * u, |g| + eps);
/// theta -= lr / (1 - beta1^t) * m / u. States: m, u.
struct AdamaxStep {
  double lr = 2e-3;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool maximize = false;
  int64_t t = 1;
};
void adamax_step(const AdamaxStep& step, DType dtype, std::span<const ParameterRun> runs);

/// Riedmiller & Braun 1993: s = sign(g * prev); size *= s > 0 ? up : s < 0 ? down : 1, held in [least, most];
/// g = 0 where s < 0; theta -= sign(g) * size; prev = g. States: prev, size.
struct RpropStep {
  double down = 0.5, up = 1.2, least = 1e-6, most = 50;
  bool maximize = false;
};
void rprop_step(const RpropStep& step, DType dtype, std::span<const ParameterRun> runs);

/// Polyak & Juditsky 1992: theta = theta * (1 - lambd * eta) - eta * g; mean += mu * (theta - mean), or mean = theta
/// where mu is 1. State: mean.
struct AsgdStep {
  double eta = 1e-2, mu = 1;
  double lambd = 1e-4, weight_decay = 0;
  bool maximize = false;
};
void asgd_step(const AsgdStep& step, DType dtype, std::span<const ParameterRun> runs);

/// Adam's direction for You et al. 2019, theta untouched: d = m / (1 - beta1^t) / (sqrt(v) / sqrt(1 - beta2^t) + eps) +
/// weight_decay * theta. States: m, v, d.
struct LambDirection {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-6, weight_decay = 0.01;
  bool maximize = false;
  int64_t t = 1;
};
void lamb_direction_step(const LambDirection& step, DType dtype, std::span<const ParameterRun> runs);

/// Chen et al. 2023: theta *= 1 - lr * weight_decay; theta -= lr * sign(beta1 * m + (1 - beta1) * g);
/// m = beta2 * m + (1 - beta2) * g. State: m.
struct LionStep {
  double lr = 1e-4;
  double beta1 = 0.9, beta2 = 0.99, weight_decay = 0;
  bool maximize = false;
};
void lion_step(const LionStep& step, DType dtype, std::span<const ParameterRun> runs);

/// The step that Adam's relatives share once their scalars are known (NAdam, RAdam): m and v as Adam's, then
///   theta -= (grad_rate * g + momentum_rate * m) / (adaptive ? sqrt(v) / v_correction + eps : 1).
/// States: m, v. decay multiplies theta first (1: none).
struct AdamLikeStep {
  double grad_rate = 0, momentum_rate;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, v_correction = 1, weight_decay = 0, decay = 1;
  bool adaptive = true, maximize = false;
};
void adam_like_step(const AdamLikeStep& step, DType dtype, std::span<const ParameterRun> runs);

}  // namespace ingot::kernels
