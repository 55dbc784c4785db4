#pragma once

#include "autograd/op_def.h"
#include "kernels/conv.h"

namespace ingot {

/// The operands of conv2d_siblings are x and, of each sibling, its weight, bias or none, residual or none.
constexpr size_t weight_of_sibling(size_t i) { return 1 + 3 * i; }
/// A call of so many operands has this many; the last may lack those that are none.
constexpr size_t siblings_of(size_t operands) { return (operands + 1) / 3; }

/// A sibling, and all of a call, as the kernels take them.
kernels::ConvArgs conv2d_sibling_args(const EvalArgs& a, size_t i);
using SiblingArgs = FixedVector<kernels::ConvArgs, Results::kMost>;
SiblingArgs conv2d_siblings_args(const EvalArgs& a);

}  // namespace ingot
