#include "runtime/plan.h"

#include "base/check.h"

namespace ingot {
namespace {

std::string operand_text(const Plan& plan, TensorId id) {
  if (id == kAbsent) return "_";
  const PlanTensor& t = plan.tensor(id);
  if (t.home != Home::weight) return "%" + t.name;
  const PlanWeight& w = plan.weights[static_cast<size_t>(t.weight)];
  return "@" + t.name + (w.form == "dense" ? "" : "{" + w.form + "}");
}

std::string list_text(const Plan& plan, const std::vector<TensorId>& ids) {
  std::string out;
  for (const TensorId id : ids) out += (out.empty() ? "" : ", ") + operand_text(plan, id);
  return out;
}

std::string step_text(const Plan& plan, const PlanStep& step) {
  std::string out =
      fmt::format("  {} = {}({})", list_text(plan, step.results), step.op->name, list_text(plan, step.operands));
  if (const std::string attrs = to_string(step.attrs); !attrs.empty()) out += " {" + attrs + "}";
  out += ": " + type_text(plan.tensor(step.results[0]).spec);
  if (step.tactic != "eval") out += " by " + step.tactic;
  if (const int32_t concat = plan.tensor(step.results[0]).part_of; concat >= 0)
    out += " in %" + plan.tensor(plan.steps[static_cast<size_t>(concat)].results[0]).name;
  return out + (step.path.empty() ? "\n" : "  # " + step.path + "\n");
}

}  // namespace

SymbolValues Plan::examples() const {
  SymbolValues values;
  for (const PlanSize& s : sizes) values[s.name] = s.example;
  return values;
}

std::string type_text(const Spec& spec) {
  const bool default_order = spec.layout == default_layout(spec.shape.size());
  return fmt::format("{}{}{}", name_of(spec.dtype), to_string(spec.shape), default_order ? "" : " row_major");
}

std::string name_of(const PlanStep& step) {
  return fmt::format("[{}]{}{}", step.op->name, step.path.empty() ? "" : " ", step.path);
}

std::string to_string(const Plan& plan) {
  std::string out =
      fmt::format("built for {}, {}, {} threads\n", plan.built_for.cpu, plan.built_for.isa, plan.built_for.threads);
  for (const PlanSize& s : plan.sizes) out += fmt::format("size {} = {} in {}..{}\n", s.name, s.example, s.min, s.max);
  for (const TensorId id : plan.inputs)
    out += fmt::format("input %{}: {}\n", plan.tensor(id).name, type_text(plan.tensor(id).spec));
  for (const PlanStep& step : plan.steps) out += step_text(plan, step);
  for (const PlanOutput& o : plan.outputs)
    out += fmt::format("output {} as {}\n", operand_text(plan, o.tensor), o.name);
  return out;
}

}  // namespace ingot
