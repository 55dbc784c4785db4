// Adam and its relatives.
#include <cmath>
#include <utility>

#include "ingot/ops.h"
#include "optim/rules.h"

namespace ingot {
namespace {

template <class Options>
void check_adam(const Options& o) {
  require_not_negative("lr", o.lr);
  require_not_negative("eps", o.eps);
  require_not_negative("weight_decay", o.weight_decay);
  require_betas(o.betas);
}

template <class Options>
struct AdamFields : Options {
  static constexpr auto fields =
      std::tuple{field("lr", &AdamFields::lr),           field("betas", &AdamFields::betas),
                 field("eps", &AdamFields::eps),         field("weight_decay", &AdamFields::weight_decay),
                 field("amsgrad", &AdamFields::amsgrad), field("maximize", &AdamFields::maximize)};
};
struct AdamaxFields : AdamaxOptions {
  static constexpr auto fields =
      std::tuple{field("lr", &AdamaxFields::lr), field("betas", &AdamaxFields::betas), field("eps", &AdamaxFields::eps),
                 field("weight_decay", &AdamaxFields::weight_decay), field("maximize", &AdamaxFields::maximize)};
};
struct NAdamFields : NAdamOptions {
  static constexpr auto fields = std::tuple{field("lr", &NAdamFields::lr),
                                            field("betas", &NAdamFields::betas),
                                            field("eps", &NAdamFields::eps),
                                            field("weight_decay", &NAdamFields::weight_decay),
                                            field("momentum_decay", &NAdamFields::momentum_decay),
                                            field("decoupled_weight_decay", &NAdamFields::decoupled_weight_decay),
                                            field("maximize", &NAdamFields::maximize)};
};
struct RAdamFields : RAdamOptions {
  static constexpr auto fields = std::tuple{field("lr", &RAdamFields::lr),
                                            field("betas", &RAdamFields::betas),
                                            field("eps", &RAdamFields::eps),
                                            field("weight_decay", &RAdamFields::weight_decay),
                                            field("decoupled_weight_decay", &RAdamFields::decoupled_weight_decay),
                                            field("maximize", &RAdamFields::maximize)};
};
struct LambFields : LambOptions {
  static constexpr auto fields = std::tuple{field("lr", &LambFields::lr),
                                            field("betas", &LambFields::betas),
                                            field("eps", &LambFields::eps),
                                            field("weight_decay", &LambFields::weight_decay),
                                            field("always_adapt", &LambFields::always_adapt),
                                            field("maximize", &LambFields::maximize)};
};

template <class Options>
void step_adam(const Options& o, bool decoupled, std::span<ParamUpdate> updates) {
  const auto made = [&](int64_t t) {
    return kernels::AdamStep{.lr = o.lr,
                             .beta1 = o.betas[0],
                             .beta2 = o.betas[1],
                             .eps = o.eps,
                             .weight_decay = o.weight_decay,
                             .amsgrad = o.amsgrad,
                             .decoupled = decoupled,
                             .maximize = o.maximize,
                             .t = t};
  };
  o.amsgrad ? run_kernel(updates, {0, 1, 2}, made, kernels::adam_step)
            : run_kernel(updates, {0, 1}, made, kernels::adam_step);
}

/// What NAdam and RAdam share.
template <class Options>
kernels::AdamLikeStep adam_like(const Options& o) {
  return {.beta1 = o.betas[0],
          .beta2 = o.betas[1],
          .eps = o.eps,
          .weight_decay = o.decoupled_weight_decay ? 0 : o.weight_decay,
          .decay = o.decoupled_weight_decay ? 1 - o.lr * o.weight_decay : 1,
          .maximize = o.maximize};
}

constexpr Optimizer::StateName kMoment{"exp_avg"}, kSecondMoment{"exp_avg_sq"};

}  // namespace

template <class Options>
struct AdamRule {
  static constexpr Optimizer::StateName kStates[] = {kMoment, kSecondMoment, {"max_exp_avg_sq"}};
  static constexpr bool kCountsSteps = true;
  static const AttrsType& fields() { return attrs_of<AdamFields<Options>>; }
  static void check(const Options& o) { check_adam(o); }
};
template <>
struct Rule<AdamOptions> : AdamRule<AdamOptions> {
  static constexpr std::string_view kName = "Adam";
  static void step(const AdamOptions& o, std::span<ParamUpdate> updates) { step_adam(o, false, updates); }
};
template <>
struct Rule<AdamWOptions> : AdamRule<AdamWOptions> {
  static constexpr std::string_view kName = "AdamW";
  static void step(const AdamWOptions& o, std::span<ParamUpdate> updates) { step_adam(o, true, updates); }
};

template <>
struct Rule<AdamaxOptions> {
  static constexpr std::string_view kName = "Adamax";
  static constexpr Optimizer::StateName kStates[] = {kMoment, {"exp_inf"}};
  static constexpr bool kCountsSteps = true;
  static const AttrsType& fields() { return attrs_of<AdamaxFields>; }
  static void check(const AdamaxOptions& o) { check_adam(o); }
  static void step(const AdamaxOptions& o, std::span<ParamUpdate> updates) {
    const auto made = [&](int64_t t) {
      return kernels::AdamaxStep{.lr = o.lr,
                                 .beta1 = o.betas[0],
                                 .beta2 = o.betas[1],
                                 .eps = o.eps,
                                 .weight_decay = o.weight_decay,
                                 .maximize = o.maximize,
                                 .t = t};
    };
    run_kernel(updates, {0, 1}, made, kernels::adamax_step);
  }
};

template <>
struct Rule<NAdamOptions> {
  static constexpr std::string_view kName = "NAdam";
  static constexpr Optimizer::StateName kStates[] = {kMoment, kSecondMoment, {"mu_product", true}};
  static constexpr bool kCountsSteps = true;
  static const AttrsType& fields() { return attrs_of<NAdamFields>; }
  static void check(const NAdamOptions& o) {
    check_adam(o);
    require_not_negative("momentum_decay", o.momentum_decay);
  }
  static void step(const NAdamOptions& o, std::span<ParamUpdate> updates) {
    const auto mu = [&](int64_t t) {
      return o.betas[0] * (1 - 0.5 * std::pow(0.96, static_cast<double>(t) * o.momentum_decay));
    };
    // The product of the mu so far is a state: the options may have changed in between. So each runs alone.
    for (ParamUpdate& u : updates) {
      const double product = u.number(2, 1) *= mu(u.step);
      const auto made = [&](int64_t t) {
        kernels::AdamLikeStep step = adam_like(o);
        step.grad_rate = o.lr * (1 - mu(t)) / (1 - product);
        step.momentum_rate = o.lr * mu(t + 1) / (1 - product * mu(t + 1));
        step.v_correction = std::sqrt(1 - std::pow(o.betas[1], static_cast<double>(t)));
        return step;
      };
      run_kernel({&u, 1}, {0, 1}, made, kernels::adam_like_step);
    }
  }
};

template <>
struct Rule<RAdamOptions> {
  static constexpr std::string_view kName = "RAdam";
  static constexpr Optimizer::StateName kStates[] = {kMoment, kSecondMoment};
  static constexpr bool kCountsSteps = true;
  static const AttrsType& fields() { return attrs_of<RAdamFields>; }
  static void check(const RAdamOptions& o) { check_adam(o); }
  static void step(const RAdamOptions& o, std::span<ParamUpdate> updates) {
    const auto made = [&](int64_t steps) {
      const auto t = static_cast<double>(steps);
      const double power = std::pow(o.betas[1], t), rho = 2 / (1 - o.betas[1]) - 1;
      const double rho_t = rho - 2 * t * power / (1 - power);
      kernels::AdamLikeStep step = adam_like(o);
      step.momentum_rate = o.lr / (1 - std::pow(o.betas[0], t));
      step.adaptive = rho_t > 5;
      if (step.adaptive)
        step.momentum_rate *=
            std::sqrt((rho_t - 4) * (rho_t - 2) * rho / ((rho - 4) * (rho - 2) * rho_t) * (1 - power));
      return step;
    };
    run_kernel(updates, {0, 1}, made, kernels::adam_like_step);
  }
};

template <>
struct Rule<LambOptions> {
  static constexpr std::string_view kName = "Lamb";
  static constexpr Optimizer::StateName kStates[] = {kMoment, kSecondMoment};
  static constexpr bool kCountsSteps = true;
  static const AttrsType& fields() { return attrs_of<LambFields>; }
  static void check(const LambOptions& o) { check_adam(o); }

  static double norm_of(const Tensor& x) { return std::sqrt(sum(square(cast(x, DType::f64))).item<double>()); }

  static void step(const LambOptions& o, std::span<ParamUpdate> updates) {
    for (const ParamUpdate& u : updates) u.need(2);  // the direction, of this step only
    const auto made = [&](int64_t t) {
      return kernels::LambDirection{.beta1 = o.betas[0],
                                    .beta2 = o.betas[1],
                                    .eps = o.eps,
                                    .weight_decay = o.weight_decay,
                                    .maximize = o.maximize,
                                    .t = t};
    };
    run_kernel(updates, {0, 1, 2}, made, kernels::lamb_direction_step);
    for (ParamUpdate& u : updates) {
      const Tensor direction = std::exchange((*u.state)[2], Tensor());
      double ratio = 1;
      if (o.weight_decay != 0 || o.always_adapt) {
        const double theta = norm_of(u.param), along = norm_of(direction);
        if (theta > 0 && along > 0) ratio = theta / along;
      }
      ParamUpdate scaled{u.param, cast(direction, u.param.dtype()), u.step, u.state};
      run_kernel({&scaled, 1}, {}, [&](int64_t) { return kernels::SgdStep{.lr = o.lr * ratio}; }, kernels::sgd_step);
    }
  }
};

template class OptimizerOf<AdamOptions>;
template class OptimizerOf<AdamWOptions>;
template class OptimizerOf<AdamaxOptions>;
template class OptimizerOf<NAdamOptions>;
template class OptimizerOf<RAdamOptions>;
template class OptimizerOf<LambOptions>;

}  // namespace ingot
