#pragma once

#include <array>
#include <span>

#include "base/parallel.h"
#include "ingot/optim.h"
#include "tensor/each_element.h"

namespace ingot {

/// One parameter that steps: its gradient in the parameter's layout, and its state.
struct ParamUpdate {
  static constexpr size_t kMostTensors = 3;
  Tensor param, grad;
  int64_t* step = nullptr;
  std::array<Tensor, kMostTensors>* state = nullptr;

  /// The state's tensor, made with this value in every element if there is none yet.
  Tensor& tensor(size_t index, double initial = 0) const;
};

/// Applies rule(theta, g, s0, s1, s2) -> nothing, which takes references to values of T, to every element of a
/// parameter; `kTensors` says how many of the state's tensors it reads. bf16 is computed in f32.
template <size_t kTensors, class T, class Rule>
void each_value(const ParamUpdate& u, const Rule& rule) {
  using Value = std::conditional_t<std::is_same_v<T, bf16>, float, T>;
  Tensor param = u.param;
  T* theta = param.mutable_data<T>();
  const T* g = u.grad.data<T>();
  std::array<Value*, 3> s{};
  for (size_t i = 0; i < kTensors; ++i) s[i] = (*u.state)[i].template mutable_data<Value>();
  constexpr int64_t kGrain = 16384;
  parallel_for(param.numel(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Value value = static_cast<Value>(theta[i]);
      const Value grad = static_cast<Value>(g[i]);
      if constexpr (kTensors == 0) rule(value, grad);
      if constexpr (kTensors == 1) rule(value, grad, s[0][i]);
      if constexpr (kTensors == 2) rule(value, grad, s[0][i], s[1][i]);
      if constexpr (kTensors == 3) rule(value, grad, s[0][i], s[1][i], s[2][i]);
      theta[i] = T(value);
    }
  });
}

/// make(Value{}) gives the rule for f32, f64, or for bf16 the one of f32.
template <size_t kTensors, class Make>
void apply_rule(const ParamUpdate& u, const Make& make) {
  switch (u.param.dtype()) {
    case DType::f64:
      return each_value<kTensors, double>(u, make(double{}));
    case DType::bf16:
      return each_value<kTensors, bf16>(u, make(float{}));
    default:
      return each_value<kTensors, float>(u, make(float{}));
  }
}

}  // namespace ingot
