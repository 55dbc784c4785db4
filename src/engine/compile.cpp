#include <chrono>

#include "base/check.h"
#include "base/hash.h"
#include "engine/lower.h"

namespace ingot {
namespace {

/// Drops tensors that no step reads or makes, dense weights above all of which only the packed form is read.
void drop_unused(Draft& draft) {
  Plan& plan = draft.plan;
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
    data.push_back(std::move(draft.weights[weight]));
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
  draft.weights = std::move(data);
}

void number_weights(Draft& draft) {
  uint64_t offset = 0;
  for (size_t i = 0; i < draft.plan.weights.size(); ++i) {
    PlanWeight& w = draft.plan.weights[i];
    w.offset = offset;
    w.hash = hash_bytes(draft.weights[i].data, draft.weights[i].bytes);
    offset += (w.bytes + kWeightAlignment - 1) / kWeightAlignment * kWeightAlignment;
  }
}

}  // namespace

Engine compile(const Graph& original, const CompileOptions& options, BuildReport* report) {
  const auto start = std::chrono::steady_clock::now();
  BuildReport unread;
  BuildReport& out = report != nullptr ? *report : unread;
  out = {};
  Graph graph = original.clone();
  out.passes = optimize(graph, {.disabled = options.disabled_passes});
  Draft draft = lower(graph, options);
  if (options.elide_concats) elide_concats(draft.plan, out.concat_parts);
  choose_tactics(draft, options, out.tactics);
  drop_unused(draft);
  number_weights(draft);
  const Engine engine(make_engine_data(std::move(draft.plan), std::move(draft.weights)));
  out.memory = engine.memory();
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return engine;
}

}  // namespace ingot
