#include <algorithm>
#include <set>

#include "base/check.h"
#include "ingot/autograd.h"
#include "ingot/ops.h"
#include "ingot/optim.h"
#include "optim/rules.h"
#include "tensor/impl.h"

namespace ingot {

namespace {

OptimizerState::Option option_of(const AttrValue& value) {
  if (const bool* b = std::get_if<bool>(&value)) return *b;
  if (const double* d = std::get_if<double>(&value)) return *d;
  return std::get<std::vector<double>>(value);
}
AttrValue attr_of(const OptimizerState::Option& option) {
  return std::visit([](const auto& value) { return AttrValue(value); }, option);
}

const AttrsType::Field* find_field(const AttrsType& type, std::string_view name) {
  const auto at = std::find_if(type.fields.begin(), type.fields.end(), [&](const auto& f) { return f.name == name; });
  return at == type.fields.end() ? nullptr : &*at;
}
const AttrsType::Field& lr_field(const AttrsType& type) { return *find_field(type, "lr"); }
const AttrsType::Field& momentum_field(const AttrsType& type, std::string_view optimizer) {
  for (const char* name : {"momentum", "betas"})
    if (const auto* field = find_field(type, name)) return *field;
  fail("{} has no momentum: neither 'momentum' nor 'betas' is among its options", optimizer);
}

constexpr std::string_view kInitialLr = "initial_lr";  // as PyTorch's schedulers note it

constexpr double kMostSteps = 1LL << 53;  // up to which a double counts

DType state_dtype(const Tensor& param) { return param.dtype() == DType::bf16 ? DType::f32 : param.dtype(); }

/// A count that a state keeps as a number.
int64_t steps_of(const Tensor& x, std::string_view type, int64_t number) {
  CHECK(x.numel() == 1, "{}: 'step' of parameter {} is {} in the state, it must be one number", type, number,
        to_string(x.shape()));
  const auto steps = x.item<double>();
  CHECK(steps >= 0 && steps <= kMostSteps, "{}: 'step' of parameter {} is {} in the state", type, number, steps);
  return static_cast<int64_t>(steps);
}

// The gradient with its elements in the order of the parameter's.
Tensor grad_like(const Tensor& param) {
  Tensor grad = param.grad();
  CHECK(grad.dtype() == param.dtype(), "the gradient of a {} parameter is {}", name_of(param.dtype()),
        name_of(grad.dtype()));
  if (is_dense(grad.shape(), grad.strides(), param.layout())) return grad;
  Tensor dense = empty(param.shape(), param.dtype(), param.layout());
  copy_into(dense, grad);
  return dense;
}

}  // namespace

Optimizer::~Optimizer() = default;

void ParamUpdate::need(size_t index, double initial) const {
  Tensor& x = (*state)[index];
  if (x.defined()) return;
  x = empty(param.shape(), state_dtype(param), param.layout());
  fill(x, initial);
}

void Optimizer::add_params(const Tensors& params) {
  std::set<const TensorImpl*> known;
  for (const Group& g : groups_)
    for (const Tensor& x : g.params) known.insert(x.impl().get());
  for (size_t i = 0; i < params.size(); ++i) {
    const Tensor& x = params[i];
    CHECK(x.defined(), "{}: parameter {} of group {} is undefined", type_name(), i, groups_.size());
    CHECK(x.is_leaf(), "{}: parameter {} of group {} is not a leaf, so it cannot be optimised", type_name(), i,
          groups_.size());
    CHECK(x.is_dense(), "{}: parameter {} of group {}, {}, is not dense", type_name(), i, groups_.size(),
          to_string(x.shape()));
    CHECK(known.insert(x.impl().get()).second, "{}: parameter {} of group {}, {}, is in the optimiser already",
          type_name(), i, groups_.size(), to_string(x.shape()));
  }
  groups_.push_back({params, std::vector<ParamState>(params.size()), std::nullopt});
}

void Optimizer::step() {
  const NoGrad no_grad;
  for (size_t i = 0; i < groups_.size(); ++i) {
    Group& group = groups_[i];
    std::vector<ParamUpdate> updates;
    for (size_t p = 0; p < group.params.size(); ++p) {
      if (!group.params[p].grad().defined()) continue;
      ParamState& state = group.states[p];
      ++state.step;
      updates.push_back({group.params[p], grad_like(group.params[p]), state.step, &state.tensors});
    }
    step_group(i, updates);
  }
}

void Optimizer::zero_grad() {
  for (Group& group : groups_)
    for (Tensor& x : group.params) x.set_grad({});
}

const Tensors& Optimizer::params(size_t group) const { return groups_.at(group).params; }

double Optimizer::lr(size_t group) const {
  return std::get<double>(lr_field(options_type()).get(const_cast<Optimizer*>(this)->options_at(group)));
}
void Optimizer::set_lr(size_t group, double lr) { lr_field(options_type()).set(options_at(group), lr); }
double Optimizer::momentum(size_t group) const {
  const AttrValue value =
      momentum_field(options_type(), type_name()).get(const_cast<Optimizer*>(this)->options_at(group));
  if (const auto* betas = std::get_if<std::vector<double>>(&value)) return betas->front();
  return std::get<double>(value);
}
void Optimizer::set_momentum(size_t group, double momentum) {
  const auto& field = momentum_field(options_type(), type_name());
  AttrValue value = field.get(options_at(group));
  if (auto* betas = std::get_if<std::vector<double>>(&value))
    betas->front() = momentum;
  else
    value = momentum;
  field.set(options_at(group), value);
}
double Optimizer::initial_lr(size_t group) {
  auto& initial = groups_.at(group).initial_lr;
  if (!initial) initial = lr(group);
  return *initial;
}

OptimizerState Optimizer::state_dict() const {
  OptimizerState out;
  int64_t number = 0;
  for (size_t i = 0; i < groups_.size(); ++i) {
    OptimizerState::Group group;
    for (const auto& f : options_type().fields)
      group.options[std::string(f.name)] = option_of(f.get(const_cast<Optimizer*>(this)->options_at(i)));
    if (groups_[i].initial_lr) group.options[std::string(kInitialLr)] = *groups_[i].initial_lr;
    for (const ParamState& state : groups_[i].states) {
      std::map<std::string, Tensor> named;
      for (size_t t = 0; t < state_names().size(); ++t)
        if (state.tensors[t].defined()) named[std::string(state_names()[t].name)] = state.tensors[t];
      if (counts_steps() && state.step > 0) named["step"] = scalar(static_cast<double>(state.step));
      if (!named.empty()) out.state[number] = std::move(named);
      group.params.push_back(number++);
    }
    out.param_groups.push_back(std::move(group));
  }
  return out;
}

void Optimizer::load_state(const std::map<std::string, Tensor>& named, int64_t number, const Tensor& param,
                           ParamState& out) const {
  const auto known = state_names();
  for (const auto& [name, x] : named) {
    if (name == "step") {
      out.step = steps_of(x, type_name(), number);
      continue;
    }
    const auto at = std::find_if(known.begin(), known.end(), [&](const StateName& s) { return s.name == name; });
    CHECK(at != known.end(), "{}: the state of parameter {} has '{}', which {} does not keep", type_name(), number,
          name, type_name());
    const Shape wanted = at->scalar ? Shape{} : param.shape();
    CHECK(x.shape() == wanted, "{}: '{}' of parameter {} is {} in the state, it must be {}", type_name(), name, number,
          to_string(x.shape()), to_string(wanted));
    Tensor& own = out.tensors[static_cast<size_t>(at - known.begin())];
    own = at->scalar ? scalar(0, DType::f64) : empty(wanted, state_dtype(param), param.layout());
    copy_into(own, x);
  }
}

void Optimizer::check_options(const OptimizerState::Group& given, size_t group) const {
  const auto copy = options_type().copy(const_cast<Optimizer*>(this)->options_at(group));
  for (const auto& [name, option] : given.options) {
    // PyTorch's Adam with this option is AdamW.
    const bool other_rule =
        type_name() == "Adam" && name == "decoupled_weight_decay" && option == OptimizerState::Option(true);
    CHECK(!other_rule, "Adam: group {} of the state has decoupled_weight_decay: it is AdamW's", group);
    const auto* const at = find_field(options_type(), name);
    try {
      if (at != nullptr) at->set(copy.get(), attr_of(option));
      if (name == kInitialLr) AttrCodec<double>::set(attr_of(option));
    } catch (const Error& error) {
      fail("{}: option {} of group {} of the state: {}", type_name(), name, group, error.what());
    }
  }
}

void Optimizer::load_state_dict(const OptimizerState& given) {
  CHECK(given.param_groups.size() == groups_.size(), "{}: the state has {} parameter groups, the optimiser {}",
        type_name(), given.param_groups.size(), groups_.size());
  std::vector<std::vector<ParamState>> loaded;
  for (size_t i = 0; i < groups_.size(); ++i) {
    const auto& numbers = given.param_groups[i].params;
    const Tensors& params = groups_[i].params;
    CHECK(numbers.size() == params.size(), "{}: group {} of the state has {} parameters, the optimiser's has {}",
          type_name(), i, numbers.size(), params.size());
    check_options(given.param_groups[i], i);
    auto& states = loaded.emplace_back(params.size());
    for (size_t p = 0; p < params.size(); ++p)
      if (const auto it = given.state.find(numbers[p]); it != given.state.end())
        load_state(it->second, numbers[p], params[p], states[p]);
  }
  for (size_t i = 0; i < groups_.size(); ++i) {
    groups_[i].states = std::move(loaded[i]);
    const auto& options = given.param_groups[i].options;
    if (const auto it = options.find(std::string(kInitialLr)); it != options.end())
      groups_[i].initial_lr = std::get<double>(it->second);
    for (const auto& f : options_type().fields)
      if (const auto it = options.find(std::string(f.name)); it != options.end())
        f.set(options_at(i), attr_of(it->second));
  }
}

}  // namespace ingot
