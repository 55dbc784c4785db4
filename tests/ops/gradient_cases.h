#pragma once

#include "ops/random_case.h"

namespace ingot::test {

std::vector<GradientCases> elementwise_gradients();
std::vector<GradientCases> shape_gradients();
std::vector<GradientCases> reduction_gradients();
std::vector<GradientCases> product_gradients();
std::vector<GradientCases> normalisation_gradients();
std::vector<GradientCases> pooling_gradients();

/// Any activation, with a parameter for those that take one.
inline std::pair<Activation, double> draw_activation(RandomCase& c) {
  const auto kind = static_cast<Activation>(c.number(0, static_cast<int64_t>(Activation::mish)));
  return {kind, c.real(0.1, 1.5)};
}

}  // namespace ingot::test
