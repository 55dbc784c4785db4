#pragma once

#include "runtime/engine_data.h"
#include "runtime/placement.h"
#include "runtime/tactics.h"

namespace ingot {

/// A step whose arrays are ready but for their addresses.
struct BoundStep {
  const PlanStep* step = nullptr;
  const Tactic* tactic = nullptr;  // none: the op's eval
  Attrs attrs;
  std::vector<Array> arrays;  // operands, then results
  int32_t scratch = -1;       // which of Binding::lifetimes
  void* scratch_data = nullptr;
  bool runs = true;

  EvalArgs args() const {
    const std::span<const Array> all(arrays);
    return {.in = all.first(step->operands.size()),
            .out = all.subspan(step->operands.size()),
            .attrs = attrs,
            .scratch = scratch_data};
  }
};

/// A plan at concrete sizes and one thread count: every array and the layout of the arena.
class Binding {
 public:
  /// With `guard_bytes`, every piece of the arena is followed by as many bytes that belong to nobody.
  Binding(const EngineData& engine, const SymbolValues& sizes, int64_t guard_bytes);
  Binding(const Binding&) = delete;
  Binding& operator=(const Binding&) = delete;

  /// Sets the addresses that change: of the arena, and of an input's or output's memory.
  void set_arena(std::byte* base);
  void set_external(Memory::Kind kind, size_t index, void* data);

  /// A tensor with its address.
  Array array(TensorId id) const;

  std::vector<BoundStep> steps;
  Placement placement;
  std::vector<Lifetime> lifetimes;      // pieces of the arena: memories, then scratch
  std::vector<int32_t> lifetime_owner;  // the step that has it first, for messages
  std::vector<int64_t> payload;         // bytes of each piece that are used
  int64_t arena_bytes = 0;
  int threads = 0;
  MemoryPlan memory;

 private:
  void bind_steps();
  void lay_out_arena(int64_t guard_bytes);
  void add_scratch();
  void count_memory();
  std::byte* address(const Memory& memory) const;

  struct Pointer {
    Array* array;
    int64_t offset;
  };
  const EngineData& engine_;
  std::vector<std::vector<Pointer>> pointers_;  // by memory
  std::vector<std::byte*> bases_;               // by memory
  std::vector<int32_t> lifetime_of_;            // by memory: which lifetime, -1 outside the arena
};

}  // namespace ingot
