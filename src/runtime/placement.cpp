#include "runtime/placement.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "ops/attrs.h"
#include "ops/defs.h"
#include "runtime/op_rules.h"

namespace ingot {
namespace {

constexpr int32_t kEnd = std::numeric_limits<int32_t>::max();

int64_t size_of_element(const Spec& spec) { return static_cast<int64_t>(size_of(spec.dtype)); }

// What op.view may look at but not read.
void* nowhere() { return reinterpret_cast<void*>(kArenaAlignment); }

class Placer {
 public:
  Placer(const Plan& plan, const SymbolValues& sizes) : plan_(plan), last_use_(plan.tensors.size(), -1) {
    out_.sized = at_sizes(plan, sizes);
    out_.places.resize(plan.tensors.size());
    out_.runs.assign(plan.steps.size(), true);
  }

  Placement run() {
    find_last_uses();
    place_given();
    place_concats();
    for (size_t i = 0; i < plan_.steps.size(); ++i) place_step(static_cast<int32_t>(i));
    place_outputs();
    return std::move(out_);
  }

 private:
  void find_last_uses() {
    for (size_t i = 0; i < plan_.steps.size(); ++i)
      for (const TensorId id : plan_.steps[i].operands)
        if (id != kAbsent) last_use_[index(id)] = static_cast<int32_t>(i);
    for (const PlanOutput& o : plan_.outputs) last_use_[index(o.tensor)] = kEnd;
  }

  void place_given() {
    for (size_t i = 0; i < plan_.inputs.size(); ++i)
      place_alone(plan_.inputs[i], Memory::Kind::input, static_cast<int32_t>(i));
    for (size_t i = 0; i < plan_.tensors.size(); ++i)
      if (plan_.tensors[i].home == Home::weight)
        place_alone(static_cast<TensorId>(i), Memory::Kind::weight, plan_.tensors[i].weight);
  }

  // From the last to the first, since a concat's result may itself be part of a later one.
  void place_concats() {
    for (size_t i = plan_.steps.size(); i-- > 0;) {
      const PlanStep& step = plan_.steps[i];
      if (step.op != &kConcat) continue;
      if (!placed(step.results[0])) place_alone(step.results[0], Memory::Kind::arena, 0);
      place_parts(static_cast<int32_t>(i));
    }
  }

  void place_parts(int32_t step_index) {
    const PlanStep& step = plan_.steps[static_cast<size_t>(step_index)];
    const Place whole = out_.places[index(step.results[0])];
    const auto dim = static_cast<size_t>(out_.sized.attrs[static_cast<size_t>(step_index)].get<DimAttrs>().dim);
    int64_t start = 0;
    for (const TensorId id : step.operands) {
      const Spec& spec = spec_of(id);
      if (plan_.tensor(id).part_of == step_index)
        share(id, {whole.memory, whole.offset + start * whole.strides[dim] * size_of_element(spec), whole.strides});
      start += spec.shape[dim].value();
    }
  }

  void place_step(int32_t i) {
    const PlanStep& step = plan_.steps[static_cast<size_t>(i)];
    if (place_view(i)) {
      out_.runs[static_cast<size_t>(i)] = false;
    } else {
      for (size_t r = 0; r < step.results.size(); ++r) {
        const TensorId id = step.results[r];
        if (id == kAbsent || placed(id)) continue;
        if (r > 0 || !place_in_operand(i)) place_alone(id, Memory::Kind::arena, 0);
      }
    }
    for (const TensorId id : step.results)
      if (id != kAbsent) made_at(id, i);
    if (step.op == &kConcat) out_.runs[static_cast<size_t>(i)] = !all_parts_in_place(i);
  }

  bool place_view(int32_t i) {
    const PlanStep& step = plan_.steps[static_cast<size_t>(i)];
    if (step.op->view == nullptr) return false;
    const TensorId from = step.operands[0], to = step.results[0];
    Array array = out_.array(from);
    array.data = nowhere();
    const auto view = step.op->view({array, out_.sized.attrs[static_cast<size_t>(i)], spec_of(to)});
    if (!view) return false;
    const Place& place = out_.places[index(from)];
    share(to, {place.memory, place.offset + view->offset * size_of_element(spec_of(to)), view->strides});
    return true;
  }

  // The result takes over an operand's memory when nobody reads that memory later, in any shape.
  bool place_in_operand(int32_t i) {
    const PlanStep& step = plan_.steps[static_cast<size_t>(i)];
    const OpRule& rule = *rule_of(step.op->name);
    for (size_t k = 0; k < step.operands.size(); ++k)
      if ((rule.in_place >> k & 1u) != 0 && step.operands[k] != kAbsent && ends_here(step, k, i, rule)) {
        share(step.results[0], out_.places[index(step.operands[k])]);
        return true;
      }
    return false;
  }

  bool ends_here(const PlanStep& step, size_t k, int32_t i, const OpRule& rule) const {
    const TensorId operand = step.operands[k], result = step.results[0];
    const Place& place = out_.places[index(operand)];
    const Memory& memory = memory_of(operand);
    if (memory.kind != Memory::Kind::arena || memory.life.last != i) return false;
    const Spec &from = spec_of(operand), &to = spec_of(result);
    if (!(from.shape == to.shape) || from.dtype != to.dtype || !is_dense(to.shape, place.strides, to.layout))
      return false;
    for (size_t j = 0; j < step.operands.size(); ++j) {
      const TensorId other = step.operands[j];
      if (j == k || other == kAbsent || out_.places[index(other)].memory != place.memory) continue;
      if (!rule.elementwise || !same_place(operand, other)) return false;
    }
    return true;
  }

  bool same_place(TensorId a, TensorId b) const {
    const Place &p = out_.places[index(a)], &q = out_.places[index(b)];
    return p.offset == q.offset && p.strides == q.strides && spec_of(a).shape == spec_of(b).shape;
  }

  bool all_parts_in_place(int32_t i) const {
    const auto& operands = plan_.steps[static_cast<size_t>(i)].operands;
    return std::all_of(operands.begin(), operands.end(),
                       [&](TensorId id) { return plan_.tensor(id).part_of == i || out_.sized.bytes(id) == 0; });
  }

  // A tensor that fills its memory is computed in the caller's; the others are copied there at the end.
  void place_outputs() {
    for (size_t i = 0; i < plan_.outputs.size(); ++i) {
      const TensorId id = plan_.outputs[i].tensor;
      const Place& place = out_.places[index(id)];
      Memory& memory = memory_of(id);
      const Spec& spec = spec_of(id);
      const bool whole = memory.kind == Memory::Kind::arena && place.offset == 0 &&
                         memory.life.bytes == out_.sized.bytes(id) && is_dense(spec.shape, place.strides, spec.layout);
      if (whole) {
        memory.kind = Memory::Kind::output;
        memory.index = static_cast<int32_t>(i);
      }
      out_.output_copy.push_back(!whole);
    }
  }

  void place_alone(TensorId id, Memory::Kind kind, int32_t which) {
    const Spec& spec = spec_of(id);
    const auto memory = static_cast<int32_t>(out_.memories.size());
    out_.memories.push_back({kind, which, {.bytes = out_.sized.bytes(id), .first = kEnd, .last = -1}});
    share(id, {memory, 0, strides_for(spec.shape, spec.layout)});
  }

  void share(TensorId id, const Place& place) {
    out_.places[index(id)] = place;
    const Array array = out_.array(id);
    const Memory& memory = memory_of(id);
    CHECK(place.offset >= 0 && place.offset + extent(array) <= memory.life.bytes,
          "tensor '{}' would lie outside its memory", plan_.tensor(id).name);
  }

  void made_at(TensorId id, int32_t step) {
    Lifetime& life = memory_of(id).life;
    life.first = std::min(life.first, step);
    life.last = std::max({life.last, step, last_use_[index(id)]});
  }

  static size_t index(TensorId id) { return static_cast<size_t>(id); }
  bool placed(TensorId id) const { return out_.places[index(id)].memory >= 0; }
  const Spec& spec_of(TensorId id) const { return out_.sized.specs[index(id)]; }
  Memory& memory_of(TensorId id) { return out_.memories[static_cast<size_t>(out_.places[index(id)].memory)]; }
  const Memory& memory_of(TensorId id) const {
    return out_.memories[static_cast<size_t>(out_.places[index(id)].memory)];
  }

  const Plan& plan_;
  std::vector<int32_t> last_use_;
  Placement out_;
};

}  // namespace

Array Placement::array(TensorId id) const {
  const Spec& spec = sized.specs[static_cast<size_t>(id)];
  const Strides& strides = places[static_cast<size_t>(id)].strides;
  Array out{.dtype = spec.dtype, .rank = static_cast<int>(spec.shape.size())};
  for (size_t d = 0; d < spec.shape.size(); ++d) {
    out.shape[d] = spec.shape[d].value();
    out.strides[d] = strides[d];
  }
  return out;
}

int64_t extent(const Array& array) {
  int64_t last = 0;
  for (int d = 0; d < array.rank; ++d) {
    if (array.shape[d] == 0) return 0;
    last += (array.shape[d] - 1) * array.strides[d];
  }
  return (last + 1) * static_cast<int64_t>(size_of(array.dtype));
}

Placement place(const Plan& plan, const SymbolValues& sizes) { return Placer(plan, sizes).run(); }

}  // namespace ingot
