#include "runtime/binding.h"

#include <algorithm>

#include "base/check.h"
#include "base/parallel.h"

namespace ingot {
namespace {

// Kernels tell an absent operand by a null address, so that an empty tensor and one that is only planned need another.
alignas(kArenaAlignment) std::byte g_nowhere[kArenaAlignment];

}  // namespace

Binding::Binding(const EngineData& engine, const SymbolValues& sizes, int64_t guard_bytes)
    : placement(place(engine.plan, sizes)), threads(adopt_thread_count()), engine_(engine) {
  const auto& memories = placement.memories;
  pointers_.resize(memories.size());
  bases_.assign(memories.size(), g_nowhere);
  for (size_t m = 0; m < memories.size(); ++m)
    if (memories[m].kind == Memory::Kind::weight && memories[m].life.bytes > 0)
      bases_[m] = const_cast<std::byte*>(engine.weights[static_cast<size_t>(memories[m].index)].data);
  bind_steps();
  lay_out_arena(guard_bytes);
  count_memory();
}

void Binding::bind_steps() {
  const Plan& plan = engine_.plan;
  steps.resize(plan.steps.size());
  for (size_t i = 0; i < steps.size(); ++i) {
    BoundStep& bound = steps[i];
    bound.step = &plan.steps[i];
    bound.tactic = find_tactic(*bound.step->op, bound.step->tactic);
    bound.attrs = placement.sized.attrs[i];
    bound.runs = placement.runs[i];
    for (const auto* ids : {&bound.step->operands, &bound.step->results})
      for (const TensorId id : *ids) bound.arrays.push_back(id == kAbsent ? Array{} : array(id));
    if (!bound.runs) continue;
    size_t at = 0;
    for (const auto* ids : {&bound.step->operands, &bound.step->results})
      for (const TensorId id : *ids) {
        Array& array = bound.arrays[at++];
        if (id == kAbsent) continue;
        const Place& place = placement.places[static_cast<size_t>(id)];
        pointers_[static_cast<size_t>(place.memory)].push_back({&array, place.offset});
      }
  }
}

void Binding::add_scratch() {
  for (size_t i = 0; i < steps.size(); ++i) {
    BoundStep& bound = steps[i];
    if (!bound.runs) continue;
    const auto bytes = static_cast<int64_t>(scratch_bytes(*bound.step->op, bound.tactic, bound.args()));
    if (bytes == 0) continue;
    bound.scratch = static_cast<int32_t>(lifetimes.size());
    const auto at = static_cast<int32_t>(i);
    lifetimes.push_back({.bytes = bytes, .first = at, .last = at});
    lifetime_owner.push_back(at);
  }
}

void Binding::lay_out_arena(int64_t guard_bytes) {
  const auto& memories = placement.memories;
  lifetime_of_.assign(memories.size(), -1);
  for (size_t m = 0; m < memories.size(); ++m) {
    if (memories[m].kind != Memory::Kind::arena || memories[m].life.bytes == 0) continue;
    lifetime_of_[m] = static_cast<int32_t>(lifetimes.size());
    lifetimes.push_back(memories[m].life);
    lifetime_owner.push_back(memories[m].life.first);
  }
  add_scratch();
  for (Lifetime& l : lifetimes) {
    payload.push_back(l.bytes);
    l.bytes += guard_bytes;
  }
  arena_bytes = place_in_arena(lifetimes);
  ASSERT(is_disjoint(lifetimes));
}

// Without sharing, each result would have memory of its own.
void Binding::count_memory() {
  const Plan& plan = engine_.plan;
  memory.peak = static_cast<size_t>(arena_bytes);
  for (const BoundStep& bound : steps) {
    if (bound.scratch >= 0) memory.sum += static_cast<size_t>(payload[static_cast<size_t>(bound.scratch)]);
    const bool view = !bound.runs && bound.step->op->view != nullptr;
    for (const TensorId id : bound.step->results)
      if (id != kAbsent && !view) memory.sum += static_cast<size_t>(placement.sized.bytes(id));
  }
  for (const WeightData& w : engine_.weights) memory.weights += w.bytes;
  for (const TensorId id : plan.inputs) memory.inputs += static_cast<size_t>(placement.sized.bytes(id));
  for (const PlanOutput& o : plan.outputs) memory.outputs += static_cast<size_t>(placement.sized.bytes(o.tensor));
}

void Binding::set_arena(std::byte* base) {
  for (size_t m = 0; m < lifetime_of_.size(); ++m) {
    if (lifetime_of_[m] < 0) continue;
    bases_[m] = base + lifetimes[static_cast<size_t>(lifetime_of_[m])].offset;
    for (const Pointer& p : pointers_[m]) p.array->data = bases_[m] + p.offset;
  }
  for (BoundStep& bound : steps)
    if (bound.scratch >= 0) bound.scratch_data = base + lifetimes[static_cast<size_t>(bound.scratch)].offset;
}

void Binding::set_external(Memory::Kind kind, size_t index, void* data) {
  for (size_t m = 0; m < pointers_.size(); ++m) {
    const Memory& memory = placement.memories[m];
    if (memory.kind != kind || memory.index != static_cast<int32_t>(index)) continue;
    bases_[m] = data != nullptr ? static_cast<std::byte*>(data) : g_nowhere;
    for (const Pointer& p : pointers_[m]) p.array->data = bases_[m] + p.offset;
  }
}

Array Binding::array(TensorId id) const {
  const Place& place = placement.places[static_cast<size_t>(id)];
  Array out = placement.array(id);
  out.data = bases_[static_cast<size_t>(place.memory)] + place.offset;
  return out;
}

}  // namespace ingot
