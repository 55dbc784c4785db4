#pragma once

#include <array>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ingot/tensor.h"

// Optimisers, learning-rate schedules, clipping. Facts follow torch/optim of PyTorch 2.
namespace ingot {

struct AttrsType;
class TorchValue;

/// The state of an optimiser in PyTorch's layout: {"state": {index: {name: tensor}}, "param_groups": [...]}. Parameters
/// are numbered through all groups in order.
struct OptimizerState {
  using Option = std::variant<bool, double, std::vector<double>>;
  struct Group {
    std::map<std::string, Option> options;
    std::vector<int64_t> params;
  };
  std::map<int64_t, std::map<std::string, Tensor>> state;
  std::vector<Group> param_groups;
};

/// The state as PyTorch's optimizer.state_dict() has it, for save_torch: its load_state_dict takes it, for every
/// optimiser here that PyTorch has.
TorchValue to_torch(const OptimizerState& state);
/// The other way, of what torch.load gives (load_torch): a state_dict, or a checkpoint that has one as "optimizer",
/// "optimizer_state_dict" or the first of "optimizer_states". Parameters are those of the same place in their group.
/// None among the state and options that are neither numbers nor truth values are passed over.
/// Throws Error where it has no such form.
OptimizerState optimizer_state_of(const TorchValue& value);

/// Parameters that share options.
template <class Options>
struct ParamGroup {
  Tensors params;
  Options options;
};

/// What one step of one parameter works on: dense arrays of equal layout.
struct ParamUpdate;

/// Steps parameters along their gradients. Parameters are held by handle, so that a module's later loads and casts are
/// seen. A parameter without gradient is skipped, its state untouched.
class Optimizer {
 public:
  virtual ~Optimizer();
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// A tensor of the state, of the parameter's shape or a single f64 number.
  struct StateName {
    std::string_view name;
    bool scalar = false;
  };

  std::string_view type_name() const { return type_name_; }
  void step();
  void zero_grad();

  size_t group_count() const { return groups_.size(); }
  const Tensors& params(size_t group) const;
  double lr(size_t group = 0) const;
  void set_lr(size_t group, double lr);
  /// Option "momentum", or the first of "betas". Throws Error where an optimiser has neither.
  double momentum(size_t group = 0) const;
  void set_momentum(size_t group, double momentum);
  /// The rate that schedules start from: lr() when the first of them was made.
  double initial_lr(size_t group);

  /// Tensors are the live ones.
  OptimizerState state_dict() const;
  /// Copies values, cast to the dtype of this optimiser's state. Options that are not known here (PyTorch's `foreach`,
  /// say) are passed over. Throws Error, before anything is changed, where the number of groups, of a group's
  /// parameters, a shape or the kind of an option differs, or a state is named that this optimiser has not.
  void load_state_dict(const OptimizerState& state);

 protected:
  static constexpr size_t kMostTensors = 3;
  struct ParamState {
    int64_t step = 0;
    std::array<Tensor, kMostTensors> tensors;  // undefined until the first step
  };

  explicit Optimizer(std::string_view type_name) : type_name_(type_name) {}
  void add_params(const Tensors& params);  // as a new group
  /// The fields of the options struct, and the one of a group.
  virtual const AttrsType& options_type() const = 0;
  virtual void* options_at(size_t group) = 0;
  /// Names of the state's tensors, in the order of ParamState::tensors, and whether there is a "step" besides.
  virtual std::span<const StateName> state_names() const = 0;
  virtual bool counts_steps() const = 0;
  /// Steps one group. The steps of the states are counted up already.
  virtual void step_group(size_t group, std::span<ParamUpdate> updates) = 0;

 private:
  struct Group {
    Tensors params;
    std::vector<ParamState> states;
    std::optional<double> initial_lr;
  };
  void check_options(const OptimizerState::Group& given, size_t group) const;
  void load_state(const std::map<std::string, Tensor>& named, int64_t number, const Tensor& param,
                  ParamState& out) const;

  std::string_view type_name_;
  std::vector<Group> groups_;
};

/// An optimiser is its options and the rule that goes with them (src/optim/rules.h).
template <class Options>
class OptimizerOf : public Optimizer {
 public:
  explicit OptimizerOf(const Tensors& params, const Options& options = {})
      : OptimizerOf(std::vector<ParamGroup<Options>>{{params, options}}) {}
  explicit OptimizerOf(const std::vector<ParamGroup<Options>>& groups);

  /// As configurations and states name it and its options.
  static std::string_view name();
  static const AttrsType& option_fields();

  Options& options(size_t group = 0) { return options_.at(group); }
  void add_param_group(const ParamGroup<Options>& group);

 protected:
  const AttrsType& options_type() const override { return option_fields(); }
  void* options_at(size_t group) override { return &options_.at(group); }
  std::span<const StateName> state_names() const override;
  bool counts_steps() const override;
  void step_group(size_t group, std::span<ParamUpdate> updates) override;

 private:
  std::vector<Options> options_;
};

// In all rules g is the gradient, negated with `maximize`, plus weight_decay * theta unless the decay is decoupled;
// t counts a parameter's steps from 1.

struct SGDOptions {
  double lr = std::numeric_limits<double>::quiet_NaN();  // must be given
  double momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false, maximize = false;
};
/// buf = momentum * buf + (1 - dampening) * g, the first time buf = g; theta -= lr * buf, or with nesterov
/// lr * (g + momentum * buf). Throws Error for nesterov without momentum or with dampening.
using SGD = OptimizerOf<SGDOptions>;

struct AdagradOptions {
  double lr = 1e-2, lr_decay = 0, weight_decay = 0, initial_accumulator_value = 0, eps = 1e-10;
  bool maximize = false;
};
/// s += g^2; theta -= lr / (1 + (t-1) * lr_decay) * g / (sqrt(s) + eps). Duchi et al. 2011.
using Adagrad = OptimizerOf<AdagradOptions>;

struct AdadeltaOptions {
  double lr = 1, rho = 0.9, eps = 1e-6, weight_decay = 0;
  bool maximize = false;
};
/// v = rho * v + (1-rho) * g^2; d = sqrt(a + eps) / sqrt(v + eps) * g; theta -= lr * d; a = rho * a + (1-rho) * d^2.
/// Zeiler 2012.
using Adadelta = OptimizerOf<AdadeltaOptions>;

struct RMSpropOptions {
  double lr = 1e-2, alpha = 0.99, eps = 1e-8, weight_decay = 0, momentum = 0;
  bool centered = false, maximize = false;
};
/// v = alpha * v + (1-alpha) * g^2; d = g / (sqrt(v) + eps); with momentum buf = momentum * buf + d, d = buf;
/// theta -= lr * d. `centered` takes the variance v - b^2 for v, b = alpha * b + (1-alpha) * g. Hinton 2012, lecture 6.
using RMSprop = OptimizerOf<RMSpropOptions>;

struct RpropOptions {
  double lr = 1e-2;                            // the first step of every element
  std::array<double, 2> etas{0.5, 1.2};        // factors where the gradient turned and where it did not
  std::array<double, 2> step_sizes{1e-6, 50};  // least and most
  bool maximize = false;
};
/// Steps of an own size for each element, by the sign of its gradient alone; where that turned, the element waits.
/// Riedmiller & Braun 1993. For whole batches.
using Rprop = OptimizerOf<RpropOptions>;

struct ASGDOptions {
  double lr = 1e-2, lambd = 1e-4, alpha = 0.75, t0 = 1e6, weight_decay = 0;
  bool maximize = false;
};
/// theta = theta * (1 - lambd * eta) - eta * g with eta = lr / (1 + lambd * lr * (t-1))^alpha; the state "ax" is the
/// mean of theta from step t0 on. Polyak & Juditsky 1992.
using ASGD = OptimizerOf<ASGDOptions>;

struct AdamOptions {
  double lr = 1e-3;
  std::array<double, 2> betas{0.9, 0.999};
  double eps = 1e-8, weight_decay = 0;
  bool amsgrad = false, maximize = false;
};
/// m = b1 * m + (1-b1) * g; v = b2 * v + (1-b2) * g^2; theta -= lr/(1-b1^t) * m / (sqrt(v) / sqrt(1-b2^t) + eps).
/// amsgrad takes the largest v so far. Kingma & Ba 2014, Reddi et al. 2018.
using Adam = OptimizerOf<AdamOptions>;

struct AdamWOptions {
  double lr = 1e-3;
  std::array<double, 2> betas{0.9, 0.999};
  double eps = 1e-8, weight_decay = 1e-2;
  bool amsgrad = false, maximize = false;
};
/// Adam whose weight decay is apart from the gradient: theta *= 1 - lr * weight_decay first. Loshchilov & Hutter 2017.
using AdamW = OptimizerOf<AdamWOptions>;

struct AdamaxOptions {
  double lr = 2e-3;
  std::array<double, 2> betas{0.9, 0.999};
  double eps = 1e-8, weight_decay = 0;
  bool maximize = false;
};
/// u = max(b2 * u, |g| + eps); theta -= lr/(1-b1^t) * m / u, with Adam's m. Kingma & Ba 2014, section 7.1.
using Adamax = OptimizerOf<AdamaxOptions>;

struct NAdamOptions {
  double lr = 2e-3;
  std::array<double, 2> betas{0.9, 0.999};
  double eps = 1e-8, weight_decay = 0, momentum_decay = 4e-3;
  bool decoupled_weight_decay = false, maximize = false;
};
/// Adam with Nesterov's momentum: mu_t = b1 * (1 - 0.96^(t * momentum_decay) / 2), P_t = mu_1 ... mu_t,
/// theta -= lr * ((1-mu_t) / (1-P_t) * g + mu_{t+1} / (1-P_{t+1}) * m) / (sqrt(v) / sqrt(1-b2^t) + eps). Dozat 2016.
using NAdam = OptimizerOf<NAdamOptions>;

struct RAdamOptions {
  double lr = 1e-3;
  std::array<double, 2> betas{0.9, 0.999};
  double eps = 1e-8, weight_decay = 0;
  bool decoupled_weight_decay = false, maximize = false;
};
/// Adam that does not divide by sqrt(v) before its variance is known: with rho = 2/(1-b2) - 1 and
/// rho_t = rho - 2 t b2^t / (1-b2^t), a step above rho_t = 5 is rectified by sqrt((rho_t-4)(rho_t-2) rho /
/// ((rho-4)(rho-2) rho_t)), one below goes along m / (1-b1^t). Liu et al. 2019.
using RAdam = OptimizerOf<RAdamOptions>;

struct LambOptions {
  double lr = 1e-3;
  std::array<double, 2> betas{0.9, 0.999};
  double eps = 1e-6, weight_decay = 0.01;
  bool always_adapt = false, maximize = false;
};
/// Adam's direction d plus weight_decay * theta, scaled for each parameter by |theta| / |d| (1 where a norm is 0);
/// without weight decay it is not scaled, unless `always_adapt`. You et al. 2019.
using Lamb = OptimizerOf<LambOptions>;

struct LionOptions {
  double lr = 1e-4;
  std::array<double, 2> betas{0.9, 0.99};
  double weight_decay = 0;
  bool maximize = false;
};
/// theta *= 1 - lr * weight_decay; theta -= lr * sign(b1 * m + (1-b1) * g); m = b2 * m + (1-b2) * g. Chen et al. 2023.
using Lion = OptimizerOf<LionOptions>;

struct ClipOptions {
  double norm_type = 2;  // infinity: the largest absolute value
  bool error_if_nonfinite = false;
};
/// Scales all gradients by min(1, max_norm / (norm + 1e-6)), where norm is that of all of them together; returns norm.
double clip_grad_norm(const Tensors& params, double max_norm, const ClipOptions& options = {});
/// Clamps every element of the gradients to [-value, value].
void clip_grad_value(const Tensors& params, double value);

}  // namespace ingot
