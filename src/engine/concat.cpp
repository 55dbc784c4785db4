#include <algorithm>

#include "base/check.h"
#include "engine/lower.h"
#include "ops/attrs.h"
#include "ops/defs.h"
#include "runtime/op_rules.h"

namespace ingot {
namespace {

/// Whether a part of `dim` is one run of memory: nothing but sizes of 1 lies outside it.
bool parts_are_dense(const Spec& whole, size_t dim) {
  std::vector<size_t> order;  // outermost first
  if (whole.layout == Layout::channels_last)
    order = {0, 2, 3, 1};
  else
    for (size_t d = 0; d < whole.shape.size(); ++d) order.push_back(d);
  for (const size_t d : order) {
    if (d == dim) return true;
    if (!(whole.shape[d] == 1)) return false;
  }
  return true;
}

class ConcatElision {
 public:
  ConcatElision(Plan& plan, std::vector<ConcatPart>& report)
      : plan_(plan), report_(report), maker_(plan.tensors.size(), -1), readers_(plan.tensors.size()) {
    for (size_t i = 0; i < plan.steps.size(); ++i) {
      for (const TensorId id : plan.steps[i].operands)
        if (id != kAbsent) readers_[index(id)].push_back(i);
      for (const TensorId id : plan.steps[i].results)
        if (id != kAbsent) maker_[index(id)] = static_cast<int32_t>(i);
    }
  }

  void run() {
    for (size_t i = 0; i < plan_.steps.size(); ++i)
      if (plan_.steps[i].op == &kConcat) elide(i);
  }

 private:
  void elide(size_t i) {
    PlanStep& concat = plan_.steps[i];
    const std::string name = plan_.tensor(concat.results[0]).name;
    for (const TensorId id : concat.operands) {
      const std::string reason = refusal(i, id);
      report_.push_back({name, plan_.tensor(id).name, reason.empty(), reason});
      if (!reason.empty()) continue;
      plan_.tensor(id).part_of = static_cast<int32_t>(i);
      concat.tactic = "in_place";
    }
  }

  /// Why the operand is copied; empty where it need not be.
  std::string refusal(size_t i, TensorId id) const {
    const PlanStep& concat = plan_.steps[i];
    const PlanTensor& t = plan_.tensor(id);
    if (t.home == Home::input) return "is an input of the graph";
    if (t.home == Home::weight) return "is a constant";
    if (std::count(concat.operands.begin(), concat.operands.end(), id) > 1) return "appears twice";
    if (t.part_of >= 0)
      return "is made in the result of " + plan_.tensor(plan_.steps[static_cast<size_t>(t.part_of)].results[0]).name +
             " already";
    for (const PlanOutput& o : plan_.outputs)
      if (o.tensor == id) return "is an output of the graph";
    const PlanStep& maker = plan_.steps[static_cast<size_t>(maker_[index(id)])];
    if (maker.op->view != nullptr) return fmt::format("{} makes a view", maker.op->name);
    const auto dim = static_cast<size_t>(concat.attrs.get<DimAttrs>().dim);
    const Spec& whole = plan_.tensor(concat.results[0]).spec;
    if (parts_are_dense(whole, dim)) return "";
    const bool of_channels = dim == 1 && whole.layout == Layout::channels_last;
    if (copies(maker, of_channels)) return fmt::format("{} would copy a part that is not dense", maker.op->name);
    for (const size_t reader : readers_[index(id)]) {
      const PlanStep& step = plan_.steps[reader];
      if (reader != i && (copies(step, of_channels) || step.op->view != nullptr))
        return fmt::format("{} reads it too and would copy a part that is not dense", step.op->name);
    }
    return "";
  }

  /// Whether the step's kernel copies activations that are parts of others; of their channels, if `of_channels`.
  bool copies(const PlanStep& step, bool of_channels) const {
    if (!rule_of(step.op->name)->wants_dense) return false;
    return !of_channels || !std::any_of(all_tactics().begin(), all_tactics().end(), [&](const Tactic& t) {
      return t.op == step.op->name && takes_slices(plan_, step, &t);
    });
  }

  static size_t index(TensorId id) { return static_cast<size_t>(id); }

  Plan& plan_;
  std::vector<ConcatPart>& report_;
  std::vector<int32_t> maker_;
  std::vector<std::vector<size_t>> readers_;
};

}  // namespace

void elide_concats(Plan& plan, std::vector<ConcatPart>& report) { ConcatElision(plan, report).run(); }

}  // namespace ingot
