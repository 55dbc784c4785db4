#pragma once

#include "runtime/plan.h"

namespace ingot {

/// No size of a plan is larger, so that products of two, as shape rules make them, fit in 64 bits.
inline constexpr int64_t kMostSize = (int64_t{1} << 31) - 1;

/// Throws Error unless everything that does not depend on the sizes holds, so that whatever a file contains, nothing
/// after this reads outside a table: ids are in range, each tensor is made once and before it is read, ops get as many
/// operands as they take, tactics exist, parts of concats are parts of one, weights lie in their section of
/// `weights_bytes` without overlap, every free size is decided by an input.
void validate(const Plan& plan, uint64_t weights_bytes);

/// A plan's shapes and attributes at concrete sizes.
struct SizedPlan {
  std::vector<Spec> specs;   // by tensor
  std::vector<Attrs> attrs;  // by step
  int64_t bytes(TensorId id) const;
};
/// Throws Error where a size is negative or too large, or a step's shape rule gives other shapes, dtypes or layouts
/// than the plan says: what kernels get is then what they expect.
SizedPlan at_sizes(const Plan& plan, const SymbolValues& sizes);

/// Throws Error unless the sizes are those of the plan, each in its range.
void check_ranges(const Plan& plan, const SymbolValues& sizes);

}  // namespace ingot
