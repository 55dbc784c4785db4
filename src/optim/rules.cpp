#include <algorithm>
#include <cmath>

#include "ingot/optim.h"
#include "optim/update.h"

namespace ingot {
namespace {

/// g with its sign for maximising, and the weight decay that belongs to the gradient.
template <class T>
struct Gradient {
  T sign, decay;
  Gradient(bool maximize, double weight_decay) : sign(maximize ? T(-1) : T(1)), decay(static_cast<T>(weight_decay)) {}
  T operator()(T g, T theta) const { return sign * g + decay * theta; }
};

template <class T>
struct AdamRule {
  Gradient<T> gradient;
  T shrink, beta1, beta2, step_size, root_correction, eps;  // shrink: AdamW's decay, 1 for none

  T moved(T theta, T m, T v) const { return theta - step_size * (m / (std::sqrt(v) / root_correction + eps)); }
  void moments(T& theta, T g, T& m, T& v) const {
    theta *= shrink;
    g = gradient(g, theta);
    m += (g - m) * (1 - beta1);
    v = v * beta2 + g * g * (1 - beta2);
  }
  void operator()(T& theta, T g, T& m, T& v) const {
    moments(theta, g, m, v);
    theta = moved(theta, m, v);
  }
  void operator()(T& theta, T g, T& m, T& v, T& most) const {
    moments(theta, g, m, v);
    most = std::max(most, v);
    theta = moved(theta, m, most);
  }
};

template <class Options>
void adam(const Options& o, bool decoupled, std::span<ParamUpdate> updates) {
  for (const ParamUpdate& u : updates) {
    const auto t = static_cast<double>(*u.step);
    const double correction1 = 1 - std::pow(o.betas[0], t), correction2 = 1 - std::pow(o.betas[1], t);
    const auto rule = [&](auto zero) {
      using T = decltype(zero);
      return AdamRule<T>{.gradient = {o.maximize, decoupled ? 0 : o.weight_decay},
                         .shrink = static_cast<T>(decoupled ? 1 - o.lr * o.weight_decay : 1),
                         .beta1 = static_cast<T>(o.betas[0]),
                         .beta2 = static_cast<T>(o.betas[1]),
                         .step_size = static_cast<T>(o.lr / correction1),
                         .root_correction = static_cast<T>(std::sqrt(correction2)),
                         .eps = static_cast<T>(o.eps)};
    };
    u.tensor(0), u.tensor(1);
    if (!o.amsgrad) {
      apply_rule<2>(u, rule);
      continue;
    }
    u.tensor(2);
    apply_rule<3>(u, rule);
  }
}

constexpr std::string_view kSGDNames[] = {"momentum_buffer"};
constexpr std::string_view kAdagradNames[] = {"sum"};
constexpr std::string_view kAdamNames[] = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};

}  // namespace

std::span<const std::string_view> SGD::state_names() const { return kSGDNames; }
std::span<const std::string_view> Adagrad::state_names() const { return kAdagradNames; }
std::span<const std::string_view> Adam::state_names() const { return kAdamNames; }
std::span<const std::string_view> AdamW::state_names() const { return kAdamNames; }

void SGD::step_group(size_t group, std::span<ParamUpdate> updates) {
  const SGDOptions& o = options(group);
  for (const ParamUpdate& u : updates) {
    if (o.momentum == 0) {
      apply_rule<0>(u, [&](auto zero) {
        using T = decltype(zero);
        return [=, gradient = Gradient<T>(o.maximize, o.weight_decay), lr = static_cast<T>(o.lr)](T& theta, T g) {
          theta -= lr * gradient(g, theta);
        };
      });
      continue;
    }
    // The first time the buffer is the gradient itself.
    const bool first = !(*u.state)[0].defined();
    u.tensor(0);
    apply_rule<1>(u, [&](auto zero) {
      using T = decltype(zero);
      return [gradient = Gradient<T>(o.maximize, o.weight_decay), lr = static_cast<T>(o.lr),
              mu = static_cast<T>(o.momentum), keep = static_cast<T>(first ? 1 : 1 - o.dampening),
              nesterov = o.nesterov](T& theta, T g, T& buf) {
        g = gradient(g, theta);
        buf = mu * buf + keep * g;
        theta -= lr * (nesterov ? g + mu * buf : buf);
      };
    });
  }
}

void Adagrad::step_group(size_t group, std::span<ParamUpdate> updates) {
  const AdagradOptions& o = options(group);
  for (const ParamUpdate& u : updates) {
    u.tensor(0, o.initial_accumulator_value);
    const double decayed = o.lr / (1 + static_cast<double>(*u.step - 1) * o.lr_decay);
    apply_rule<1>(u, [&](auto zero) {
      using T = decltype(zero);
      return [gradient = Gradient<T>(o.maximize, o.weight_decay), lr = static_cast<T>(decayed),
              eps = static_cast<T>(o.eps)](T& theta, T g, T& s) {
        g = gradient(g, theta);
        s += g * g;
        theta -= lr * (g / (std::sqrt(s) + eps));
      };
    });
  }
}

void Adam::step_group(size_t group, std::span<ParamUpdate> updates) { adam(options(group), false, updates); }
void AdamW::step_group(size_t group, std::span<ParamUpdate> updates) { adam(options(group), true, updates); }

}  // namespace ingot
