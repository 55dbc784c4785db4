#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "runtime/binding.h"

namespace ingot {
namespace {

SymbolValues with_examples(const Plan& plan, const SymbolValues& sizes) {
  SymbolValues all = plan.examples();
  for (const auto& [name, value] : sizes) all[name] = value;
  check_ranges(plan, all);
  return all;
}

/// Whether a step's result is made in memory that was there before: a view, an operand's, a part of a concat.
std::string_view sharing(const Binding& binding, size_t i) {
  const BoundStep& bound = binding.steps[i];
  if (!bound.runs) return bound.step->op->view != nullptr ? "view" : "in place";
  const auto memory_of = [&](TensorId id) { return binding.placement.places[static_cast<size_t>(id)].memory; };
  for (const TensorId id : bound.step->operands)
    if (id != kAbsent && memory_of(id) == memory_of(bound.step->results[0])) return "in place";
  return "";
}

/// Of the columns whose texts may be long.
struct Widths {
  size_t op = 2, tactic = 6;

  explicit Widths(const Plan& plan) {
    for (const PlanStep& step : plan.steps) {
      op = std::max(op, step.op->name.size());
      tactic = std::max(tactic, step.tactic.size());
    }
  }
};

std::string layer_line(const EngineData& engine, const Binding& binding, size_t i, const Widths& widths,
                       const Profile* profile, double total) {
  const PlanStep& step = engine.plan.steps[i];
  const auto result = static_cast<size_t>(step.results[0]);
  const int32_t scratch = binding.steps[i].scratch;
  std::string out = fmt::format("{:<5}{:<32}{:<{}}  {:<{}}  {:<28}{:>12}{:>12}  {:<9}", i,
                                step.path.empty() ? engine.plan.tensors[result].name : step.path, step.op->name,
                                widths.op, step.tactic, widths.tactic, type_text(binding.placement.sized.specs[result]),
                                binding.placement.sized.bytes(step.results[0]),
                                scratch >= 0 ? binding.payload[static_cast<size_t>(scratch)] : 0, sharing(binding, i));
  if (profile != nullptr) {
    const double seconds = i < profile->seconds.size() ? profile->seconds[i] : 0;
    out += fmt::format("{:>10.3f}{:>8.1f}", seconds * 1e3 / static_cast<double>(std::max<size_t>(profile->runs, 1)),
                       total > 0 ? seconds / total * 100 : 0.0);
  }
  while (out.ends_with(' ')) out.pop_back();
  return out + "\n";
}

}  // namespace

std::string Engine::describe(const SymbolValues& sizes, const Profile* profile) const {
  const Binding binding(*data_, with_examples(data_->plan, sizes), 0);
  const double total = profile != nullptr ? std::accumulate(profile->seconds.begin(), profile->seconds.end(), 0.0) : 0;
  const Widths widths(data_->plan);
  std::string out = fmt::format("{:<5}{:<32}{:<{}}  {:<{}}  {:<28}{:>12}{:>12}  {:<9}{}\n", "step", "layer", "op",
                                widths.op, "tactic", widths.tactic, "result", "bytes", "scratch", "memory",
                                profile != nullptr ? "        ms       %" : "");
  for (size_t i = 0; i < data_->plan.steps.size(); ++i) out += layer_line(*data_, binding, i, widths, profile, total);
  for (size_t i = 0; i < data_->plan.outputs.size(); ++i)
    if (binding.placement.output_copy[i])
      out += fmt::format("output {} is copied from %{}\n", data_->plan.outputs[i].name,
                         data_->plan.tensor(data_->plan.outputs[i].tensor).name);
  const MemoryPlan& m = binding.memory;
  return out + fmt::format("arena {} bytes, {} without sharing; weights {}, inputs {}, outputs {}\n", m.peak, m.sum,
                           m.weights, m.inputs, m.outputs);
}

MemoryPlan Engine::memory(const SymbolValues& sizes) const {
  return Binding(*data_, with_examples(data_->plan, sizes), 0).memory;
}

}  // namespace ingot
