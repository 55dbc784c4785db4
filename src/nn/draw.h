#pragma once

#include <optional>

#include "ingot/random.h"
#include "ingot/tensor.h"

namespace ingot {

/// U(+-1/sqrt(fan_in)) for both: Kaiming's uniform with a = sqrt(5), which is how PyTorch writes this bound.
void draw_uniform(const Tensor& weight, const std::optional<Tensor>& bias, RandomKey key);

}  // namespace ingot
