#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/optim.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/optim.h"

#include "kernels/dispatch.h"
#include "kernels/optim-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ingot::kernels {
namespace HWY_NAMESPACE {
namespace {

/// The gradient that a rule starts from.
template <class T>
struct Gradient {
  bool maximize;
  T weight_decay;

  template <class V>
  HWY_INLINE V operator()(V theta, V g) const {
    if (maximize) g = -g;
    return weight_decay != 0 ? g + weight_decay * theta : g;
  }
};

template <class T>
struct Sgd {
  static constexpr int kStates = 0;
  Gradient<T> gradient;
  T lr;

  template <class V>
  HWY_INLINE void operator()(V& theta, V g) const {
    theta = theta - lr * gradient(theta, g);
  }
};

template <class T>
struct SgdMomentum {
  static constexpr int kStates = 1;
  Gradient<T> gradient;
  T lr, momentum, rest;  // rest = 1 - dampening
  bool nesterov, first;

  template <class V>
  HWY_INLINE void operator()(V& theta, V g, V& buf) const {
    g = gradient(theta, g);
    buf = first ? g : momentum * buf + rest * g;
    theta = theta - lr * (nesterov ? g + momentum * buf : buf);
  }
};

template <class T>
struct Adagrad {
  static constexpr int kStates = 1;
  Gradient<T> gradient;
  T lr, eps;  // lr already decayed for this step

  template <class V>
  HWY_INLINE void operator()(V& theta, V g, V& s) const {
    g = gradient(theta, g);
    s = s + g * g;
    theta = theta - lr * g / (sqrt(s) + eps);
  }
};

/// m and v as every relative of Adam keeps them.
template <class T>
struct Averages {
  T beta1, rest1, beta2, rest2;

  template <class V>
  HWY_INLINE void operator()(V g, V& m, V& v) const {
    m = beta1 * m + rest1 * g;
    v = beta2 * v + rest2 * g * g;
  }
};

template <class T>
struct Adam {
  static constexpr int kStates = 2;
  Gradient<T> gradient;
  Averages<T> averages;
  T lr, eps, v_scale, decay;  // lr / (1 - beta1^t), 1 / sqrt(1 - beta2^t), 1 - lr * weight_decay if decoupled

  template <class V>
  HWY_INLINE void operator()(V& theta, V g, V& m, V& v) const {
    g = gradient(theta, g);
    averages(g, m, v);
    theta = decay * theta - lr * m / (sqrt(v) * v_scale + eps);
  }
};

template <class T>
struct AmsGrad {
  static constexpr int kStates = 3;
  Adam<T> adam;

  template <class V>
  HWY_INLINE void operator()(V& theta, V g, V& m, V& v, V& most) const {
    g = adam.gradient(theta, g);
    adam.averages(g, m, v);
    most = max(most, v);
    theta = adam.decay * theta - adam.lr * m / (sqrt(most) * adam.v_scale + adam.eps);
  }
};

template <class T>
struct Adadelta {
  static constexpr int kStates = 2;
  Gradient<T> gradient;
  T lr, rho, rest, eps;

  template <class V>
  HWY_INLINE void operator()(V& theta, V g, V& v, V& a) const {
    g = gradient(theta, g);
    v = rho * v + rest * g * g;
    const V d = sqrt(a + eps) / sqrt(v + eps) * g;
    theta = theta - lr * d;
    a = rho * a + rest * d * d;
  }
};

template <class T>
struct Rmsprop {
  Gradient<T> gradient;
  T lr, alpha, rest, eps, momentum;

  template <class V>
  HWY_INLINE V adapted(V g, V& v) const {
    v = alpha * v + rest * g * g;
    return g / (sqrt(v) + eps);
  }
  template <class V>
  HWY_INLINE V adapted(V g, V& v, V& b) const {
    v = alpha * v + rest * g * g;
    b = alpha * b + rest * g;
    return g / (sqrt(v - b * b) + eps);
  }
};

template <class T, bool kCentered, bool kMomentum>
struct RmspropRule {
  static constexpr int kStates = 1 + kCentered + kMomentum;
  Rmsprop<T> r;

  template <class V, class... States>
  HWY_INLINE void operator()(V& theta, V g, V& v, States&... states) const {
    g = r.gradient(theta, g);
    V* more[] = {&states..., nullptr};
    V d = g;
    if constexpr (kCentered)
      d = r.adapted(g, v, *more[0]);
    else
      d = r.adapted(g, v);
    if constexpr (kMomentum) {
      V& buf = *more[kCentered];
      d = buf = r.momentum * buf + d;
    }
    theta = theta - r.lr * d;
  }
};

template <class T>
struct Adamax {
  static constexpr int kStates = 2;
  Gradient<T> gradient;
  T lr, beta1, rest1, beta2, eps;

  template <class V>
  HWY_INLINE void operator()(V& theta, V g, V& m, V& u) const {
    g = gradient(theta, g);
    m = beta1 * m + rest1 * g;
    u = max(beta2 * u, abs(g) + eps);
    theta = theta - lr * m / u;
  }
};

template <class T>
struct Lion {
  static constexpr int kStates = 1;
  bool maximize;
  T lr, beta1, rest1, beta2, rest2, decay;

  template <class V>
  HWY_INLINE void operator()(V& theta, V g, V& m) const {
    if (maximize) g = -g;
    theta = decay * theta - lr * sign(beta1 * m + rest1 * g);
    m = beta2 * m + rest2 * g;
  }
};

template <class T>
struct Rprop {
  static constexpr int kStates = 2;
  bool maximize;
  T down, up, least, most;

  template <class V>
  HWY_INLINE void operator()(V& theta, V g, V& prev, V& size) const {
    if (maximize) g = -g;
    const V s = sign(g * prev), same = max(s, V(0)), turned = max(-s, V(0));  // each 0 or 1
    const V unknown = T(1) - (same + turned);
    size = -max(-max(size * (same * up + turned * down + unknown), V(least)), V(-most));
    g = g * (T(1) - turned);
    theta = theta - sign(g) * size;
    prev = g;
  }
};

template <class T>
struct Asgd {
  static constexpr int kStates = 1;
  Gradient<T> gradient;
  T eta, mu, decay;  // decay = 1 - lambd * eta

  template <class V>
  HWY_INLINE void operator()(V& theta, V g, V& mean) const {
    g = gradient(theta, g);
    theta = decay * theta - eta * g;
    mean = mu == 1 ? theta : mean + mu * (theta - mean);
  }
};

template <class T>
struct Lamb {
  static constexpr int kStates = 3;
  bool maximize;
  Averages<T> averages;
  T m_scale, v_scale, eps, weight_decay;

  template <class V>
  HWY_INLINE void operator()(V& theta, V g, V& m, V& v, V& d) const {
    if (maximize) g = -g;
    averages(g, m, v);
    d = m * m_scale / (sqrt(v) * v_scale + eps) + weight_decay * theta;
  }
};

template <class T>
struct AdamLike {
  static constexpr int kStates = 2;
  Gradient<T> gradient;
  Averages<T> averages;
  T grad_rate, momentum_rate, eps, v_scale, decay;
  bool adaptive;

  template <class V>
  HWY_INLINE void operator()(V& theta, V g, V& m, V& v) const {
    g = gradient(theta, g);
    averages(g, m, v);
    V d = grad_rate * g + momentum_rate * m;
    if (adaptive) d = d / (sqrt(v) * v_scale + eps);
    theta = decay * theta - d;
  }
};

template <class T>
Averages<T> averages(double beta1, double beta2) {
  return {T(beta1), T(1 - beta1), T(beta2), T(1 - beta2)};
}

using Runs = std::span<const ParameterRun>;

template <class T>
void sgd(const SgdStep& s, Runs runs) {
  const Gradient<T> gradient{s.maximize, T(s.weight_decay)};
  if (s.momentum == 0) return update_all<T>(Sgd<T>{gradient, T(s.lr)}, runs);
  update_all<T>(SgdMomentum<T>{gradient, T(s.lr), T(s.momentum), T(1 - s.dampening), s.nesterov, s.first}, runs);
}

template <class T>
void adagrad(const AdagradStep& s, Runs runs) {
  const double lr = s.lr / (1 + static_cast<double>(s.t - 1) * s.lr_decay);
  update_all<T>(Adagrad<T>{{s.maximize, T(s.weight_decay)}, T(lr), T(s.eps)}, runs);
}

template <class T>
void adam(const AdamStep& s, Runs runs) {
  const auto t = static_cast<double>(s.t);
  const Adam<T> rule{.gradient = {s.maximize, T(s.decoupled ? 0 : s.weight_decay)},
                     .averages = averages<T>(s.beta1, s.beta2),
                     .lr = T(s.lr / (1 - std::pow(s.beta1, t))),
                     .eps = T(s.eps),
                     .v_scale = T(1 / std::sqrt(1 - std::pow(s.beta2, t))),
                     .decay = T(s.decoupled ? 1 - s.lr * s.weight_decay : 1)};
  s.amsgrad ? update_all<T>(AmsGrad<T>{rule}, runs) : update_all<T>(rule, runs);
}

template <class T>
void adadelta(const AdadeltaStep& s, Runs runs) {
  update_all<T>(Adadelta<T>{{s.maximize, T(s.weight_decay)}, T(s.lr), T(s.rho), T(1 - s.rho), T(s.eps)}, runs);
}

template <class T>
void rmsprop(const RmspropStep& s, Runs runs) {
  const Rmsprop<T> rule{{s.maximize, T(s.weight_decay)}, T(s.lr), T(s.alpha), T(1 - s.alpha), T(s.eps), T(s.momentum)};
  if (s.centered && s.momentum != 0) return update_all<T>(RmspropRule<T, true, true>{rule}, runs);
  if (s.centered) return update_all<T>(RmspropRule<T, true, false>{rule}, runs);
  if (s.momentum != 0) return update_all<T>(RmspropRule<T, false, true>{rule}, runs);
  update_all<T>(RmspropRule<T, false, false>{rule}, runs);
}

template <class T>
void adamax(const AdamaxStep& s, Runs runs) {
  const double lr = s.lr / (1 - std::pow(s.beta1, static_cast<double>(s.t)));
  const Gradient<T> gradient{s.maximize, T(s.weight_decay)};
  update_all<T>(Adamax<T>{gradient, T(lr), T(s.beta1), T(1 - s.beta1), T(s.beta2), T(s.eps)}, runs);
}

template <class T>
void lion(const LionStep& s, Runs runs) {
  update_all<T>(Lion<T>{.maximize = s.maximize,
                        .lr = T(s.lr),
                        .beta1 = T(s.beta1),
                        .rest1 = T(1 - s.beta1),
                        .beta2 = T(s.beta2),
                        .rest2 = T(1 - s.beta2),
                        .decay = T(1 - s.lr * s.weight_decay)},
                runs);
}

template <class T>
void rprop(const RpropStep& s, Runs runs) {
  update_all<T>(Rprop<T>{s.maximize, T(s.down), T(s.up), T(s.least), T(s.most)}, runs);
}

template <class T>
void asgd(const AsgdStep& s, Runs runs) {
  const Gradient<T> gradient{s.maximize, T(s.weight_decay)};
  update_all<T>(Asgd<T>{gradient, T(s.eta), T(s.mu), T(1 - s.lambd * s.eta)}, runs);
}

template <class T>
void lamb_direction(const LambDirection& s, Runs runs) {
  const auto t = static_cast<double>(s.t);
  update_all<T>(Lamb<T>{.maximize = s.maximize,
                        .averages = averages<T>(s.beta1, s.beta2),
                        .m_scale = T(1 / (1 - std::pow(s.beta1, t))),
                        .v_scale = T(1 / std::sqrt(1 - std::pow(s.beta2, t))),
                        .eps = T(s.eps),
                        .weight_decay = T(s.weight_decay)},
                runs);
}

template <class T>
void adam_like(const AdamLikeStep& s, Runs runs) {
  update_all<T>(AdamLike<T>{.gradient = {s.maximize, T(s.weight_decay)},
                            .averages = averages<T>(s.beta1, s.beta2),
                            .grad_rate = T(s.grad_rate),
                            .momentum_rate = T(s.momentum_rate),
                            .eps = T(s.eps),
                            .v_scale = T(1 / s.v_correction),
                            .decay = T(s.decay),
                            .adaptive = s.adaptive},
                runs);
}

}  // namespace

// An exported function for f32 and f64 of each optimiser.
#define INGOT_STEP(name, Step)                                                                       \
  void name##_f32(const Step& step, std::span<const ParameterRun> runs) { name<float>(step, runs); } \
  void name##_f64(const Step& step, std::span<const ParameterRun> runs) { name<double>(step, runs); }
INGOT_STEP(sgd, SgdStep)
INGOT_STEP(adagrad, AdagradStep)
INGOT_STEP(adam, AdamStep)
INGOT_STEP(adadelta, AdadeltaStep)
INGOT_STEP(rmsprop, RmspropStep)
INGOT_STEP(adamax, AdamaxStep)
INGOT_STEP(lion, LionStep)
INGOT_STEP(rprop, RpropStep)
INGOT_STEP(asgd, AsgdStep)
INGOT_STEP(lamb_direction, LambDirection)
INGOT_STEP(adam_like, AdamLikeStep)
#undef INGOT_STEP

}  // namespace HWY_NAMESPACE
}  // namespace ingot::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ingot::kernels {

#define INGOT_STEP(name, Step)                                                                             \
  HWY_EXPORT(name##_f32);                                                                                  \
  HWY_EXPORT(name##_f64);                                                                                  \
  void name##_step(const Step& step, DType dtype, std::span<const ParameterRun> runs) {                    \
    CHECK(dtype == DType::f32 || dtype == DType::f64, "optimisers do not take {}", name_of(dtype));        \
    dtype == DType::f32 ? INGOT_DISPATCH(name##_f32)(step, runs) : INGOT_DISPATCH(name##_f64)(step, runs); \
  }
INGOT_STEP(sgd, SgdStep)
INGOT_STEP(adagrad, AdagradStep)
INGOT_STEP(adam, AdamStep)
INGOT_STEP(adadelta, AdadeltaStep)
INGOT_STEP(rmsprop, RmspropStep)
INGOT_STEP(adamax, AdamaxStep)
INGOT_STEP(lion, LionStep)
INGOT_STEP(rprop, RpropStep)
INGOT_STEP(asgd, AsgdStep)
INGOT_STEP(lamb_direction, LambDirection)
INGOT_STEP(adam_like, AdamLikeStep)
#undef INGOT_STEP

}  // namespace ingot::kernels
#endif
