#pragma once

#include "ingot/init.h"

namespace ingot {

inline RandomKey key_or_next(MaybeKey key) { return key ? *key : Generator::current().next("init"); }

/// What values for x are drawn in: bf16 takes rounded f32 values.
inline DType drawn_dtype(const Tensor& x) { return x.dtype() == DType::f64 ? DType::f64 : DType::f32; }

/// A module's own parameter, undefined where it has none of this name.
inline Tensor own_parameter(const Module& module, std::string_view name) {
  for (const auto& [own, x] : module.named_parameters(false))
    if (own == name) return x;
  return {};
}

/// U(+-1/sqrt(fan_in)) for both: Kaiming's uniform with a = sqrt(5), which is how PyTorch writes this bound.
void draw_uniform(const Tensor& weight, const std::optional<Tensor>& bias, RandomKey key);

}  // namespace ingot
