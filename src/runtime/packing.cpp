#include "runtime/packing.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/isa.h"
#include "base/parallel.h"
#include "runtime/binding.h"
#include "tensor/storage.h"

namespace ingot {
namespace {

WeightData allocate_weight(size_t bytes) {
  const auto storage = std::make_shared<Storage>(bytes);
  return {storage->data(), bytes, storage};
}

std::byte* writable(const WeightData& weight) { return const_cast<std::byte*>(weight.data); }

/// What a step's tactic reads packed.
std::span<const PackedOperand> packed_operands(const PlanStep& step) {
  return packed_operands(find_tactic(*step.op, step.tactic), step.operands.size());
}

Array dense_array(const Spec& spec, void* data) {
  const Strides strides = strides_for(spec.shape, spec.layout);
  Array out{.data = data, .dtype = spec.dtype, .rank = static_cast<int>(spec.shape.size())};
  for (size_t d = 0; d < spec.shape.size(); ++d) {
    out.shape[d] = spec.shape[d].value();
    out.strides[d] = strides[d];
  }
  return out;
}

WeightData unpack(const PackedOperand& operand, const PlanStep& step, const Spec& spec, const WeightData& packed) {
  const WeightData dense = allocate_weight(static_cast<size_t>(numel(spec.shape).value()) * size_of(spec.dtype));
  operand.unpack(packed.data, step.attrs, dense_array(spec, writable(dense)));
  return dense;
}

/// Gives an operand of a step other data. Another step may read the same packed weight, so it gets a tensor and a
/// weight of its own.
void replace_weight(EngineData& engine, size_t step, size_t operand, WeightData data, const std::string& form) {
  Plan& plan = engine.plan;
  PlanTensor tensor = plan.tensor(plan.steps[step].operands[operand]);
  PlanWeight weight = plan.weights[static_cast<size_t>(tensor.weight)];
  weight.form = form;
  weight.bytes = data.bytes;
  tensor.weight = static_cast<int32_t>(plan.weights.size());
  tensor.name += fmt::format("#{}", step);
  plan.steps[step].operands[operand] = static_cast<TensorId>(plan.tensors.size());
  plan.tensors.push_back(std::move(tensor));
  plan.weights.push_back(std::move(weight));
  engine.weights.push_back(std::move(data));
}

void repack(EngineData& engine, size_t i, const Tactic& tactic, EvalArgs args) {
  const bool runs = tactic.supports(args);
  std::vector<Array> operands(args.in.begin(), args.in.end());
  args.in = operands;
  for (const PackedOperand& operand : packed_operands(&tactic, operands.size())) {
    const PlanStep& step = engine.plan.steps[i];
    const PlanTensor tensor = engine.plan.tensor(step.operands[operand.index]);
    const auto weight = static_cast<size_t>(tensor.weight);
    const std::string form = runs ? operand.form(args) : "dense";
    if (form == engine.plan.weights[weight].form) continue;
    const WeightData dense = unpack(operand, step, tensor.spec, engine.weights[weight]);
    operands[operand.index] = dense_array(tensor.spec, writable(dense));
    replace_weight(engine, i, operand.index, runs ? pack(operand, args) : dense, form);
  }
  if (!runs) engine.plan.steps[i].tactic = "eval";
}

}  // namespace

WeightData pack(const PackedOperand& operand, const EvalArgs& args) {
  const WeightData packed = allocate_weight(operand.bytes(args));
  operand.pack(args, writable(packed));
  return packed;
}

void check_packed_weights(const EngineData& engine) {
  for (const PlanStep& step : engine.plan.steps)
    for (const PackedOperand& operand : packed_operands(step)) {
      const PlanTensor& tensor = engine.plan.tensor(step.operands[operand.index]);
      const auto weight = static_cast<size_t>(tensor.weight);
      const WeightData& data = engine.weights[weight];
      operand.check(dense_array(tensor.spec, nullptr), step.attrs, {data.data, data.bytes},
                    engine.plan.weights[weight].form);
    }
}

void repack_for_this_machine(EngineData& engine) {
  BuiltFor& built = engine.plan.built_for;
  const BuiltFor here{cpu_name(), std::string(name_of(active_isa())), adopt_thread_count()};
  if (built.isa == here.isa && built.cpu == here.cpu && built.threads == here.threads) return;
  built = here;
  const Binding binding(engine, engine.plan.examples(), 0);
  for (size_t i = 0; i < binding.steps.size(); ++i) {
    const BoundStep& bound = binding.steps[i];
    if (bound.runs && bound.tactic != nullptr && !bound.tactic->packed.empty())
      repack(engine, i, *bound.tactic, bound.args());
  }
  drop_unused(engine);
  number_weights(engine);
}

void drop_unused(EngineData& engine) {
  Plan& plan = engine.plan;
  std::vector<bool> used(plan.tensors.size());
  const auto use = [&](TensorId id) {
    if (id != kAbsent) used[static_cast<size_t>(id)] = true;
  };
  for (const TensorId id : plan.inputs) use(id);
  for (const PlanOutput& o : plan.outputs) use(o.tensor);
  for (const PlanStep& step : plan.steps)
    for (const auto* ids : {&step.operands, &step.results})
      for (const TensorId id : *ids) use(id);

  std::vector<TensorId> renamed(plan.tensors.size(), kAbsent);
  std::vector<PlanTensor> tensors;
  std::vector<PlanWeight> weights;
  std::vector<WeightData> data;
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    if (!used[i]) continue;
    renamed[i] = static_cast<TensorId>(tensors.size());
    PlanTensor& t = tensors.emplace_back(std::move(plan.tensors[i]));
    if (t.weight < 0) continue;
    const auto weight = static_cast<size_t>(t.weight);
    t.weight = static_cast<int32_t>(weights.size());
    weights.push_back(std::move(plan.weights[weight]));
    data.push_back(std::move(engine.weights[weight]));
  }
  const auto rename = [&](TensorId& id) {
    if (id != kAbsent) id = renamed[static_cast<size_t>(id)];
  };
  for (TensorId& id : plan.inputs) rename(id);
  for (PlanOutput& o : plan.outputs) rename(o.tensor);
  for (PlanStep& step : plan.steps)
    for (auto* ids : {&step.operands, &step.results})
      for (TensorId& id : *ids) rename(id);
  plan.tensors = std::move(tensors);
  plan.weights = std::move(weights);
  engine.weights = std::move(data);
}

void number_weights(EngineData& engine) {
  uint64_t offset = 0;
  for (size_t i = 0; i < engine.plan.weights.size(); ++i) {
    PlanWeight& w = engine.plan.weights[i];
    w.offset = offset;
    w.bytes = engine.weights[i].bytes;
    w.hash = hash_bytes(engine.weights[i].data, w.bytes);
    offset += (w.bytes + kWeightAlignment - 1) / kWeightAlignment * kWeightAlignment;
  }
}

}  // namespace ingot
