#pragma once

#include <array>

#include "ingot/optim.h"

namespace ingot {

/// One parameter that steps: its gradient in the order of the parameter's elements, and its state.
struct ParamUpdate {
  Tensor param, grad;
  int64_t step = 1;  // counts from 1
  std::array<Tensor, 3>* state = nullptr;

  /// Makes the state's tensor with this value in every element, if there is none yet.
  void need(size_t index, double initial = 0) const;
};

}  // namespace ingot
