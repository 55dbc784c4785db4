#pragma once

#include "base/array.h"
#include "runtime/arena.h"
#include "runtime/validate.h"

namespace ingot {

/// Bytes that tensors lie in: one tensor's own, or shared by a result and its views, by a concat's result and its
/// parts, by an operand and the result that takes its memory over.
struct Memory {
  enum class Kind : uint8_t { arena, input, output, weight } kind = Kind::arena;
  int32_t index = 0;  // which input, output or weight
  Lifetime life;      // of arena memory
};

/// Where a tensor lies: offset in bytes, strides in elements.
struct Place {
  int32_t memory = -1;
  int64_t offset = 0;
  Strides strides;
};

/// A plan's tensors in memories at concrete sizes. Nothing here is taken from a file: what may share memory is decided
/// from who reads what, so that a wrong plan can be slow but not wrong.
struct Placement {
  SizedPlan sized;
  std::vector<Place> places;  // by tensor
  std::vector<Memory> memories;
  std::vector<bool> runs;         // by step: a view has nothing to do, nor a concat whose parts are all in place
  std::vector<bool> output_copy;  // by output: its tensor lies elsewhere and is copied at the end

  /// The tensor without an address.
  Array array(TensorId id) const;
};
Placement place(const Plan& plan, const SymbolValues& sizes);

/// In bytes from an array's first element: one past its last.
int64_t extent(const Array& array);

}  // namespace ingot
