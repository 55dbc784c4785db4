#pragma once

#include <functional>

#include "autograd/attrs.h"
#include "base/check.h"
#include "ingot/optim.h"
#include "kernels/optim.h"

namespace ingot {

template <>
struct AttrCodec<std::array<double, 2>> {
  static AttrValue get(const std::array<double, 2>& v) { return std::vector<double>{v[0], v[1]}; }
  static std::array<double, 2> set(const AttrValue& v) {
    const auto numbers = AttrCodec<std::vector<double>>::set(v);
    CHECK(numbers.size() == 2, "{} numbers are given, there must be 2", numbers.size());
    return {numbers[0], numbers[1]};
  }
};

/// One parameter that steps: its gradient in the order of the parameter's elements, and its state.
struct ParamUpdate {
  Tensor param, grad;
  int64_t step = 1;  // counts from 1
  std::array<Tensor, 3>* state = nullptr;

  /// Makes the state's tensor with this value in every element, if there is none yet.
  void need(size_t index, double initial = 0) const;
  /// The same for a single number, which it returns.
  double& number(size_t index, double initial) const;
};

/// What OptimizerOf<Options> does, specialised beside the fields of its options:
///   static constexpr std::string_view kName;
///   static constexpr Optimizer::StateName kStates[];  in the order of ParamUpdate::state
///   static constexpr bool kCountsSteps;              PyTorch's state has a "step"
///   static const AttrsType& fields();
///   static void check(const Options&);               throws Error
///   static void step(const Options&, std::span<ParamUpdate>);
template <class Options>
struct Rule;

void require_not_negative(std::string_view what, double value);
void require_betas(const std::array<double, 2>& betas);

/// Calls step(dtype, key, runs) for the updates in batches that share a dtype and a key; `states` are those that the
/// kernel takes, in its order, made already. bf16 parameters step as f32 copies and are rounded afterwards.
void in_batches(std::span<ParamUpdate> updates, std::span<const size_t> states,
                const std::function<int64_t(const ParamUpdate&)>& key,
                const std::function<void(DType, int64_t, std::span<const kernels::ParameterRun>)>& step);

inline int64_t step_of(const ParamUpdate& u) { return u.step; }

/// For rules whose step is a kernel's: makes the states, 0 at first, and calls kernel(made(t), dtype, runs).
template <class Made, class Kernel>
void run_kernel(std::span<ParamUpdate> updates, std::initializer_list<size_t> states, const Made& made,
                const Kernel& kernel) {
  for (const ParamUpdate& u : updates)
    for (const size_t index : states) u.need(index);
  in_batches(updates, states, step_of, [&](DType dtype, int64_t t, std::span<const kernels::ParameterRun> runs) {
    kernel(made(t), dtype, runs);
  });
}

template <class Options>
std::string_view OptimizerOf<Options>::name() {
  return Rule<Options>::kName;
}
template <class Options>
const AttrsType& OptimizerOf<Options>::option_fields() {
  return Rule<Options>::fields();
}
template <class Options>
OptimizerOf<Options>::OptimizerOf(const std::vector<ParamGroup<Options>>& groups) : Optimizer(name()) {
  for (const auto& group : groups) add_param_group(group);
}
template <class Options>
void OptimizerOf<Options>::add_param_group(const ParamGroup<Options>& group) {
  Rule<Options>::check(group.options);
  add_params(group.params);
  options_.push_back(group.options);
}
template <class Options>
std::span<const Optimizer::StateName> OptimizerOf<Options>::state_names() const {
  return Rule<Options>::kStates;
}
template <class Options>
bool OptimizerOf<Options>::counts_steps() const {
  return Rule<Options>::kCountsSteps;
}
template <class Options>
void OptimizerOf<Options>::step_group(size_t group, std::span<ParamUpdate> updates) {
  Rule<Options>::step(options_.at(group), updates);
}

}  // namespace ingot
