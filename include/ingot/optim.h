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

  std::string_view type_name() const { return type_name_; }
  void step();
  void zero_grad();

  size_t group_count() const { return groups_.size(); }
  const Tensors& params(size_t group) const;
  double lr(size_t group = 0) const;
  void set_lr(size_t group, double lr);
  /// The rate that schedules start from: lr() when the first of them was made.
  double initial_lr(size_t group);

  /// Tensors are the live ones.
  OptimizerState state_dict() const;
  /// Copies values, cast to the dtype of this optimiser's state. Options that are not known here (PyTorch's `foreach`,
  /// say) are passed over. Throws Error, before anything is changed, where the number of groups, of a group's
  /// parameters, or a shape differs, or a state is named that this optimiser has not.
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
  virtual std::span<const std::string_view> state_names() const = 0;
  virtual bool counts_steps() const = 0;
  /// Steps one group. The steps of the states are counted up already.
  virtual void step_group(size_t group, std::span<ParamUpdate> updates) = 0;

 private:
  struct Group {
    Tensors params;
    std::vector<ParamState> states;
    std::optional<double> initial_lr;
  };
  std::string_view type_name_;
  std::vector<Group> groups_;
};

/// Adds options of one type.
template <class Options>
class OptimizerOf : public Optimizer {
 public:
  Options& options(size_t group = 0) { return options_.at(group); }
  void add_param_group(const ParamGroup<Options>& group);

 protected:
  OptimizerOf(std::string_view type_name, const std::vector<ParamGroup<Options>>& groups);
  const AttrsType& options_type() const override;
  void* options_at(size_t group) override { return &options_.at(group); }

 private:
  std::vector<Options> options_;
};

struct SGDOptions {
  double lr = std::numeric_limits<double>::quiet_NaN();  // must be given
  double momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false, maximize = false;
};
/// g += weight_decay * theta; buf = momentum * buf + (1 - dampening) * g, the first time buf = g;
/// theta -= lr * buf, or with nesterov lr * (g + momentum * buf).
/// Throws Error for nesterov without momentum or with dampening.
class SGD : public OptimizerOf<SGDOptions> {
 public:
  SGD(const Tensors& params, const SGDOptions& options) : SGD({{params, options}}) {}
  explicit SGD(const std::vector<ParamGroup<SGDOptions>>& groups) : OptimizerOf("SGD", groups) {}

 protected:
  std::span<const std::string_view> state_names() const override;
  bool counts_steps() const override { return false; }
  void step_group(size_t group, std::span<ParamUpdate> updates) override;
};

struct AdagradOptions {
  double lr = 1e-2, lr_decay = 0, weight_decay = 0, initial_accumulator_value = 0, eps = 1e-10;
  bool maximize = false;
};
/// s += g^2; theta -= lr / (1 + (t-1) * lr_decay) * g / (sqrt(s) + eps). Duchi et al. 2011.
class Adagrad : public OptimizerOf<AdagradOptions> {
 public:
  explicit Adagrad(const Tensors& params, const AdagradOptions& options = {}) : Adagrad({{params, options}}) {}
  explicit Adagrad(const std::vector<ParamGroup<AdagradOptions>>& groups) : OptimizerOf("Adagrad", groups) {}

 protected:
  std::span<const std::string_view> state_names() const override;
  bool counts_steps() const override { return true; }
  void step_group(size_t group, std::span<ParamUpdate> updates) override;
};

struct AdamOptions {
  double lr = 1e-3;
  std::array<double, 2> betas{0.9, 0.999};
  double eps = 1e-8, weight_decay = 0;
  bool amsgrad = false, maximize = false;
};
/// m = b1 * m + (1-b1) * g; v = b2 * v + (1-b2) * g^2; theta -= lr/(1-b1^t) * m / (sqrt(v) / sqrt(1-b2^t) + eps), where
/// weight decay adds to g. amsgrad takes the largest v so far. Kingma & Ba 2014, Reddi et al. 2018.
class Adam : public OptimizerOf<AdamOptions> {
 public:
  explicit Adam(const Tensors& params, const AdamOptions& options = {}) : Adam({{params, options}}) {}
  explicit Adam(const std::vector<ParamGroup<AdamOptions>>& groups) : OptimizerOf("Adam", groups) {}

 protected:
  std::span<const std::string_view> state_names() const override;
  bool counts_steps() const override { return true; }
  void step_group(size_t group, std::span<ParamUpdate> updates) override;
};

struct AdamWOptions {
  double lr = 1e-3;
  std::array<double, 2> betas{0.9, 0.999};
  double eps = 1e-8, weight_decay = 1e-2;
  bool amsgrad = false, maximize = false;
};
/// Adam whose weight decay is apart from the gradient: theta *= 1 - lr * weight_decay first. Loshchilov & Hutter 2017.
class AdamW : public OptimizerOf<AdamWOptions> {
 public:
  explicit AdamW(const Tensors& params, const AdamWOptions& options = {}) : AdamW({{params, options}}) {}
  explicit AdamW(const std::vector<ParamGroup<AdamWOptions>>& groups) : OptimizerOf("AdamW", groups) {}

 protected:
  std::span<const std::string_view> state_names() const override;
  bool counts_steps() const override { return true; }
  void step_group(size_t group, std::span<ParamUpdate> updates) override;
};

struct ClipOptions {
  double norm_type = 2;  // infinity: the largest absolute value
  bool error_if_nonfinite = false;
};
/// Scales all gradients by min(1, max_norm / (norm + 1e-6)), where norm is that of all of them together; returns norm.
double clip_grad_norm(const Tensors& params, double max_norm, const ClipOptions& options = {});
/// Clamps every element of the gradients to [-value, value].
void clip_grad_value(const Tensors& params, double value);

}  // namespace ingot
