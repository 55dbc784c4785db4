// SGD and the rules that scale or follow the gradient without Adam's moments.
#include <cmath>
#include <map>

#include "optim/rules.h"

namespace ingot {
namespace {

struct SGDFields : SGDOptions {
  static constexpr auto fields = std::tuple{field("lr", &SGDFields::lr),
                                            field("momentum", &SGDFields::momentum),
                                            field("dampening", &SGDFields::dampening),
                                            field("weight_decay", &SGDFields::weight_decay),
                                            field("nesterov", &SGDFields::nesterov),
                                            field("maximize", &SGDFields::maximize)};
};
struct AdagradFields : AdagradOptions {
  static constexpr auto fields =
      std::tuple{field("lr", &AdagradFields::lr),
                 field("lr_decay", &AdagradFields::lr_decay),
                 field("eps", &AdagradFields::eps),
                 field("weight_decay", &AdagradFields::weight_decay),
                 field("initial_accumulator_value", &AdagradFields::initial_accumulator_value),
                 field("maximize", &AdagradFields::maximize)};
};
struct AdadeltaFields : AdadeltaOptions {
  static constexpr auto fields = std::tuple{
      field("lr", &AdadeltaFields::lr), field("rho", &AdadeltaFields::rho), field("eps", &AdadeltaFields::eps),
      field("weight_decay", &AdadeltaFields::weight_decay), field("maximize", &AdadeltaFields::maximize)};
};
struct RMSpropFields : RMSpropOptions {
  static constexpr auto fields = std::tuple{field("lr", &RMSpropFields::lr),
                                            field("alpha", &RMSpropFields::alpha),
                                            field("eps", &RMSpropFields::eps),
                                            field("weight_decay", &RMSpropFields::weight_decay),
                                            field("momentum", &RMSpropFields::momentum),
                                            field("centered", &RMSpropFields::centered),
                                            field("maximize", &RMSpropFields::maximize)};
};
struct RpropFields : RpropOptions {
  static constexpr auto fields =
      std::tuple{field("lr", &RpropFields::lr), field("etas", &RpropFields::etas),
                 field("step_sizes", &RpropFields::step_sizes), field("maximize", &RpropFields::maximize)};
};
struct ASGDFields : ASGDOptions {
  static constexpr auto fields = std::tuple{field("lr", &ASGDFields::lr),
                                            field("lambd", &ASGDFields::lambd),
                                            field("alpha", &ASGDFields::alpha),
                                            field("t0", &ASGDFields::t0),
                                            field("weight_decay", &ASGDFields::weight_decay),
                                            field("maximize", &ASGDFields::maximize)};
};
struct LionFields : LionOptions {
  static constexpr auto fields =
      std::tuple{field("lr", &LionFields::lr), field("betas", &LionFields::betas),
                 field("weight_decay", &LionFields::weight_decay), field("maximize", &LionFields::maximize)};
};

}  // namespace

template <>
struct Rule<SGDOptions> {
  static constexpr std::string_view kName = "SGD";
  static constexpr Optimizer::StateName kStates[] = {{"momentum_buffer"}};
  static constexpr bool kCountsSteps = false;
  static const AttrsType& fields() { return attrs_of<SGDFields>; }
  static void check(const SGDOptions& o) {
    CHECK(!std::isnan(o.lr), "SGD needs a learning rate: lr is not given");
    require_not_negative("lr", o.lr);
    require_not_negative("momentum", o.momentum);
    require_not_negative("weight_decay", o.weight_decay);
    CHECK(!o.nesterov || (o.momentum > 0 && o.dampening == 0),
          "nesterov needs momentum above 0 and no dampening; they are {} and {}", o.momentum, o.dampening);
  }
  static void step(const SGDOptions& o, std::span<ParamUpdate> updates) {
    constexpr size_t kBuffer[] = {0};
    std::map<const void*, bool> fresh;  // whose buffer is made in this step
    for (const ParamUpdate& u : updates) {
      fresh[u.state] = o.momentum != 0 && !(*u.state)[0].defined();
      if (o.momentum != 0) u.need(0);
    }
    in_batches(
        updates, o.momentum != 0 ? std::span<const size_t>(kBuffer) : std::span<const size_t>(),
        [&](const ParamUpdate& u) { return static_cast<int64_t>(fresh[u.state]); },
        [&](DType dtype, int64_t first, std::span<const kernels::ParameterRun> runs) {
          kernels::sgd_step({.lr = o.lr,
                             .momentum = o.momentum,
                             .dampening = o.dampening,
                             .weight_decay = o.weight_decay,
                             .nesterov = o.nesterov,
                             .maximize = o.maximize,
                             .first = first != 0},
                            dtype, runs);
        });
  }
};

template <>
struct Rule<AdagradOptions> {
  static constexpr std::string_view kName = "Adagrad";
  static constexpr Optimizer::StateName kStates[] = {{"sum"}};
  static constexpr bool kCountsSteps = true;
  static const AttrsType& fields() { return attrs_of<AdagradFields>; }
  static void check(const AdagradOptions& o) {
    require_not_negative("lr", o.lr);
    require_not_negative("lr_decay", o.lr_decay);
    require_not_negative("weight_decay", o.weight_decay);
    require_not_negative("initial_accumulator_value", o.initial_accumulator_value);
    require_not_negative("eps", o.eps);
  }
  static void step(const AdagradOptions& o, std::span<ParamUpdate> updates) {
    for (const ParamUpdate& u : updates) u.need(0, o.initial_accumulator_value);
    const auto made = [&](int64_t t) {
      return kernels::AdagradStep{.lr = o.lr,
                                  .lr_decay = o.lr_decay,
                                  .weight_decay = o.weight_decay,
                                  .eps = o.eps,
                                  .maximize = o.maximize,
                                  .t = t};
    };
    run_kernel(updates, {0}, made, kernels::adagrad_step);
  }
};

template <>
struct Rule<AdadeltaOptions> {
  static constexpr std::string_view kName = "Adadelta";
  static constexpr Optimizer::StateName kStates[] = {{"square_avg"}, {"acc_delta"}};
  static constexpr bool kCountsSteps = true;
  static const AttrsType& fields() { return attrs_of<AdadeltaFields>; }
  static void check(const AdadeltaOptions& o) {
    require_not_negative("lr", o.lr);
    require_not_negative("eps", o.eps);
    require_not_negative("weight_decay", o.weight_decay);
    CHECK(o.rho >= 0 && o.rho <= 1, "rho is {}, it must be in [0, 1]", o.rho);
  }
  static void step(const AdadeltaOptions& o, std::span<ParamUpdate> updates) {
    const auto made = [&](int64_t) {
      return kernels::AdadeltaStep{
          .lr = o.lr, .rho = o.rho, .eps = o.eps, .weight_decay = o.weight_decay, .maximize = o.maximize};
    };
    run_kernel(updates, {0, 1}, made, kernels::adadelta_step);
  }
};

template <>
struct Rule<RMSpropOptions> {
  static constexpr std::string_view kName = "RMSprop";
  static constexpr Optimizer::StateName kStates[] = {{"square_avg"}, {"grad_avg"}, {"momentum_buffer"}};
  static constexpr bool kCountsSteps = true;
  static const AttrsType& fields() { return attrs_of<RMSpropFields>; }
  static void check(const RMSpropOptions& o) {
    require_not_negative("lr", o.lr);
    require_not_negative("alpha", o.alpha);
    require_not_negative("eps", o.eps);
    require_not_negative("weight_decay", o.weight_decay);
    require_not_negative("momentum", o.momentum);
  }
  static void step(const RMSpropOptions& o, std::span<ParamUpdate> updates) {
    const auto made = [&](int64_t) {
      return kernels::RmspropStep{.lr = o.lr,
                                  .alpha = o.alpha,
                                  .eps = o.eps,
                                  .weight_decay = o.weight_decay,
                                  .momentum = o.momentum,
                                  .centered = o.centered,
                                  .maximize = o.maximize};
    };
    const auto run = [&](std::initializer_list<size_t> states) {
      run_kernel(updates, states, made, kernels::rmsprop_step);
    };
    if (o.centered)
      o.momentum != 0 ? run({0, 1, 2}) : run({0, 1});
    else
      o.momentum != 0 ? run({0, 2}) : run({0});
  }
};

template <>
struct Rule<RpropOptions> {
  static constexpr std::string_view kName = "Rprop";
  static constexpr Optimizer::StateName kStates[] = {{"prev"}, {"step_size"}};
  static constexpr bool kCountsSteps = true;
  static const AttrsType& fields() { return attrs_of<RpropFields>; }
  static void check(const RpropOptions& o) {
    require_not_negative("lr", o.lr);
    CHECK(o.etas[0] > 0 && o.etas[0] < 1 && o.etas[1] > 1, "etas are {} and {}, they must be below and above 1",
          o.etas[0], o.etas[1]);
  }
  static void step(const RpropOptions& o, std::span<ParamUpdate> updates) {
    for (const ParamUpdate& u : updates) u.need(1, o.lr);
    const auto made = [&](int64_t) {
      return kernels::RpropStep{.down = o.etas[0],
                                .up = o.etas[1],
                                .least = o.step_sizes[0],
                                .most = o.step_sizes[1],
                                .maximize = o.maximize};
    };
    run_kernel(updates, {0, 1}, made, kernels::rprop_step);
  }
};

template <>
struct Rule<ASGDOptions> {
  static constexpr std::string_view kName = "ASGD";
  static constexpr Optimizer::StateName kStates[] = {{"ax"}, {"eta", true}, {"mu", true}};
  static constexpr bool kCountsSteps = true;
  static const AttrsType& fields() { return attrs_of<ASGDFields>; }
  static void check(const ASGDOptions& o) {
    require_not_negative("lr", o.lr);
    require_not_negative("weight_decay", o.weight_decay);
  }
  static void step(const ASGDOptions& o, std::span<ParamUpdate> updates) {
    // The rate of a step is fixed by the step before, with the options of then: a state. So each runs alone.
    for (ParamUpdate& u : updates) {
      double &eta = u.number(1, o.lr), &mu = u.number(2, 1);
      const auto made = [&](int64_t) {
        return kernels::AsgdStep{
            .eta = eta, .mu = mu, .lambd = o.lambd, .weight_decay = o.weight_decay, .maximize = o.maximize};
      };
      run_kernel({&u, 1}, {0}, made, kernels::asgd_step);
      const auto t = static_cast<double>(u.step);
      eta = o.lr / std::pow(1 + o.lambd * o.lr * t, o.alpha);
      mu = 1 / std::max(1.0, t - o.t0);
    }
  }
};

template <>
struct Rule<LionOptions> {
  static constexpr std::string_view kName = "Lion";
  static constexpr Optimizer::StateName kStates[] = {{"exp_avg"}};
  static constexpr bool kCountsSteps = false;
  static const AttrsType& fields() { return attrs_of<LionFields>; }
  static void check(const LionOptions& o) {
    require_not_negative("lr", o.lr);
    require_not_negative("weight_decay", o.weight_decay);
    require_betas(o.betas);
  }
  static void step(const LionOptions& o, std::span<ParamUpdate> updates) {
    const auto made = [&](int64_t) {
      return kernels::LionStep{
          .lr = o.lr, .beta1 = o.betas[0], .beta2 = o.betas[1], .weight_decay = o.weight_decay, .maximize = o.maximize};
    };
    run_kernel(updates, {0}, made, kernels::lion_step);
  }
};

template class OptimizerOf<SGDOptions>;
template class OptimizerOf<AdagradOptions>;
template class OptimizerOf<AdadeltaOptions>;
template class OptimizerOf<RMSpropOptions>;
template class OptimizerOf<RpropOptions>;
template class OptimizerOf<ASGDOptions>;
template class OptimizerOf<LionOptions>;

}  // namespace ingot
