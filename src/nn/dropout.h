#pragma once

#include "ingot/tensor.h"

namespace ingot {

/// Dropout for the module that is running, by the innermost DropoutScope or, without one, the current generator.
/// x itself where p is 0.
Tensor dropout_here(const Tensor& x, double p);

}  // namespace ingot
