#pragma once

#include <span>
#include <string>
#include <string_view>

#include "autograd/op_def.h"

namespace ingot {

/// An operand that a tactic reads packed: its array then points at packed data and has the plain shape.
struct PackedOperand {
  size_t index = 0;                                       // among the operands
  size_t (*bytes)(const EvalArgs&) = nullptr;             // what pack writes
  std::string (*form)(const EvalArgs&) = nullptr;         // names the format that is best here
  void (*pack)(const EvalArgs&, void* packed) = nullptr;  // from the dense operand
  /// Throws Error unless the bytes are this operand in `form`: for data from a file.
  void (*check)(const Array& operand, const Attrs& attrs, std::span<const std::byte> packed,
                std::string_view form) = nullptr;
  void (*unpack)(const void* packed, const Attrs& attrs, const Array& operand) = nullptr;
};

/// Another implementation of an op than its eval. The runtime runs the one that a plan's step names, the builder times
/// those that support the call.
struct Tactic {
  std::string_view name, op;
  std::span<const PackedOperand> packed;  // in their order; those that a call does not have are left out
  bool fast_math = false;                 // not for Math::strict
  bool varies = false;                    // an image's bits may depend on the batch and on the number of threads
  bool planned = false;                   // follows from the plan's places of tensors: never timed against others
  /// Whether activations may be channel slices of wider arrays without being copied. Null: no.
  bool (*takes_slices)(const InferArgs&) = nullptr;
  /// At these shapes, strides and this thread count. Data pointers are null exactly where an operand is absent.
  bool (*supports)(const EvalArgs&) = nullptr;
  size_t (*scratch)(const EvalArgs&) = nullptr;
  void (*eval)(const EvalArgs&) = nullptr;
};

/// All tactics of an op; eval is not among them.
std::span<const Tactic> all_tactics();
/// nullptr for "eval". Throws Error where the op has no tactic of this name.
const Tactic* find_tactic(const OpDef& op, std::string_view name);

/// What a call of so many operands has packed by a tactic, or by eval where there is none.
std::span<const PackedOperand> packed_operands(const Tactic* tactic, size_t operands);

/// Bytes and work of a call by its tactic, or by eval where there is none.
size_t scratch_bytes(const OpDef& op, const Tactic* tactic, const EvalArgs& args);
void evaluate(const OpDef& op, const Tactic* tactic, const EvalArgs& args);

}  // namespace ingot
