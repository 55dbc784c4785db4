#include <algorithm>
#include <chrono>
#include <limits>

#include "base/check.h"
#include "base/parallel.h"
#include "engine/lower.h"
#include "engine/timing_cache.h"
#include "kernels/elementwise.h"
#include "runtime/binding.h"
#include "runtime/op_rules.h"
#include "runtime/packing.h"
#include "tensor/storage.h"

namespace ingot {
namespace {

std::string array_text(const Array& a) {
  if (!a) return "_";
  std::string out(name_of(a.dtype));
  for (int d = 0; d < a.rank; ++d) out += fmt::format("{}{}:{}", d == 0 ? "[" : ",", a.shape[d], a.strides[d]);
  return out + "]";
}

std::string name_of(const Tactic* tactic) { return tactic != nullptr ? std::string(tactic->name) : "eval"; }

/// A call as the timing cache names it.
std::string call_text(const BoundStep& bound, const BuiltFor& machine) {
  std::string out = fmt::format("{} {{{}}}", bound.step->op->name, to_string(bound.attrs));
  for (const Array& a : bound.arrays) out += " " + array_text(a);
  return out + fmt::format(" on {}, {}, {} threads", machine.cpu, machine.isa, machine.threads);
}

/// Memory for one plan at its examples, with harmless numbers in it.
class Workbench {
 public:
  explicit Workbench(Binding& binding, const Plan& plan) : arena_(std::max<size_t>(binding.memory.peak, 1)) {
    fill(arena_);
    binding.set_arena(arena_.data());
    for (size_t i = 0; i < plan.inputs.size(); ++i)
      binding.set_external(Memory::Kind::input, i, add(binding.placement.sized.bytes(plan.inputs[i])));
    for (size_t i = 0; i < plan.outputs.size(); ++i)
      binding.set_external(Memory::Kind::output, i, add(binding.placement.sized.bytes(plan.outputs[i].tensor)));
  }

 private:
  static void fill(const Storage& memory) {
    const auto count = static_cast<int64_t>(memory.bytes() / sizeof(float));
    kernels::fill(row_major(memory.data(), DType::f32, {count}), 0.5);
  }
  void* add(int64_t bytes) {
    external_.push_back(std::make_unique<Storage>(static_cast<size_t>(std::max<int64_t>(bytes, 1))));
    fill(*external_.back());
    return external_.back()->data();
  }

  Storage arena_;
  std::vector<std::unique_ptr<Storage>> external_;
};

/// One implementation of a call, ready to run.
class Candidate {
 public:
  Candidate(const BoundStep& bound, const Tactic* tactic)
      : op_(*bound.step->op), tactic_(tactic), arrays_(bound.arrays), args_(bound.args()) {
    args_.in = std::span(arrays_).first(args_.in.size());
    pack_operands();
    scratch_ = std::make_unique<Storage>(std::max<size_t>(scratch_bytes(op_, tactic, args_), 1));
    args_.scratch = scratch_->data();
  }
  double run() const {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    evaluate(op_, tactic_, args_);
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

 private:
  void pack_operands() {
    const auto operands = packed_operands(tactic_, args_.in.size());
    for (const PackedOperand& operand : operands) packed_.push_back(pack(operand, args_));
    for (size_t i = 0; i < packed_.size(); ++i)
      arrays_[operands[i].index].data = const_cast<std::byte*>(packed_[i].data);
  }

  const OpDef& op_;
  const Tactic* tactic_;
  std::vector<Array> arrays_;
  EvalArgs args_;
  std::vector<WeightData> packed_;
  std::unique_ptr<Storage> scratch_;
};

/// The least times of several runs in turns, so that a slow moment of the machine meets all.
std::vector<TacticTime> time_candidates(const BoundStep& bound, const std::vector<const Tactic*>& tactics) {
  constexpr int kRounds = 8;
  constexpr double kBudget = 0.2;  // seconds for all; two rounds are always run
  std::vector<Candidate> candidates;
  for (const Tactic* tactic : tactics) candidates.emplace_back(bound, tactic);
  std::vector<TacticTime> times;
  for (const Tactic* tactic : tactics) times.push_back({name_of(tactic), std::numeric_limits<double>::infinity()});
  const FlushDenormals flush;
  for (const Candidate& c : candidates) c.run();
  double spent = 0;
  for (int round = 0; round < kRounds && (round < 2 || spent < kBudget); ++round)
    for (size_t i = 0; i < candidates.size(); ++i) {
      const double seconds = candidates[i].run();
      times[i].seconds = std::min(times[i].seconds, seconds);
      spent += seconds;
    }
  return times;
}

/// Whether all that the tactic wants packed is there when the engine is built.
bool packs_constants(const Plan& plan, const PlanStep& step, const Tactic& tactic) {
  const auto operands = packed_operands(&tactic, step.operands.size());
  return std::all_of(operands.begin(), operands.end(), [&](const PackedOperand& operand) {
    return plan.tensor(step.operands[operand.index]).home == Home::weight;
  });
}

class TacticChooser {
 public:
  TacticChooser(EngineData& draft, const CompileOptions& options, std::vector<TacticChoice>& report)
      : draft_(draft), options_(options), report_(report), cache_(options.timing_cache) {}

  void run() {
    const EngineData before = draft_;  // which steps keep pointing to while the draft changes
    Binding binding(before, before.plan.examples(), 0);
    const Workbench workbench(binding, draft_.plan);
    for (const auto& [name, tactic] : options_.forced_tactics) check_forced(name);
    for (size_t i = 0; i < binding.steps.size(); ++i)
      if (binding.steps[i].runs) choose(i, binding);
    cache_.save();
  }

 private:
  void check_forced(const std::string& name) const {
    const auto& steps = draft_.plan.steps;
    CHECK(std::any_of(steps.begin(), steps.end(), [&](const PlanStep& s) { return result_name(s) == name; }),
          "a tactic is given for '{}', but there is no such step", name);
  }

  const std::string& result_name(const PlanStep& step) const { return draft_.plan.tensor(step.results[0]).name; }

  void choose(size_t i, const Binding& binding) {
    const BoundStep& bound = binding.steps[i];
    PlanStep& step = draft_.plan.steps[i];
    TacticChoice choice{result_name(step), std::string(step.op->name), step.path, step.tactic, {}};
    const auto candidates = candidates_of(bound);
    if (const auto forced = options_.forced_tactics.find(choice.step); forced != options_.forced_tactics.end())
      choice.chosen = forced->second;
    else if (candidates.size() > 1 && options_.time_tactics)
      choose_fastest(choice, bound, candidates);
    else if (candidates.size() > 1)
      choose_untimed(choice, step, candidates, binding);
    else
      choice.chosen = name_of(candidates[0]);
    const Tactic* tactic = find_tactic(*step.op, choice.chosen);
    CHECK(std::find(candidates.begin(), candidates.end(), tactic) != candidates.end(),
          "{}: the tactic '{}' does not support this call{}", name_of(step), choice.chosen,
          reason_against(tactic, step));
    for (const PackedOperand& operand : packed_operands(tactic, step.operands.size()))
      pack_operand(step, operand, bound.args());
    step.tactic = choice.chosen;
    if (rule_of(step.op->name)->wants_dense && !takes_slices(draft_.plan, step, tactic))
      choice.strided = strided_activations(step, binding);
    report_.push_back(std::move(choice));
  }

  std::string reason_against(const Tactic* tactic, const PlanStep& step) const {
    if (tactic != nullptr && tactic->fast_math && options_.math == Math::strict) return " under strict math";
    const bool varies = tactic != nullptr ? tactic->varies : rule_of(step.op->name)->varies;
    return varies && options_.deterministic ? " in a deterministic engine" : "";
  }

  void choose_fastest(TacticChoice& choice, const BoundStep& bound, const std::vector<const Tactic*>& candidates) {
    const std::string call = call_text(bound, draft_.plan.built_for);
    std::vector<std::string> names;
    for (const Tactic* candidate : candidates) names.push_back(name_of(candidate));
    const auto known = cache_.find(call, names);
    choice.from_cache = known.has_value();
    choice.times = known ? *known : time_candidates(bound, candidates);
    if (!known) cache_.add(call, choice.times);
    choice.chosen = std::min_element(choice.times.begin(), choice.times.end(), [](const auto& a, const auto& b) {
                      return a.seconds < b.seconds;
                    })->tactic;
  }

  /// The last, or one that copies nothing where there is something to copy.
  void choose_untimed(TacticChoice& choice, const PlanStep& step, const std::vector<const Tactic*>& candidates,
                      const Binding& binding) const {
    choice.chosen = candidates.back()->name;
    if (strided_activations(step, binding) == 0) return;
    for (const Tactic* t : candidates)
      if (takes_slices(draft_.plan, step, t)) choice.chosen = t->name;
  }

  int strided_activations(const PlanStep& step, const Binding& binding) const {
    int count = 0;
    for (const auto* ids : {&step.operands, &step.results})
      for (const TensorId id : *ids) {
        if (id == kAbsent || draft_.plan.tensor(id).home == Home::weight) continue;
        const Spec& spec = binding.placement.sized.specs[static_cast<size_t>(id)];
        count += !is_dense(spec.shape, binding.placement.places[static_cast<size_t>(id)].strides, spec.layout);
      }
    return count;
  }

  /// eval and the tactics that support the call. A concat's was settled with its parts. Only constants are packed.
  std::vector<const Tactic*> candidates_of(const BoundStep& bound) const {
    if (bound.tactic != nullptr) return {bound.tactic};
    std::vector<const Tactic*> out;
    if (!options_.deterministic || !rule_of(bound.step->op->name)->varies) out.push_back(nullptr);
    for (const Tactic& t : all_tactics()) {
      if (t.op != bound.step->op->name || t.planned) continue;
      if ((t.fast_math && options_.math == Math::strict) || (t.varies && options_.deterministic)) continue;
      if (packs_constants(draft_.plan, *bound.step, t) && t.supports(bound.args())) out.push_back(&t);
    }
    CHECK(!out.empty(),
          "{}: deterministic: no implementation has the same bits in any batch and on any number of threads",
          name_of(*bound.step));
    return out;
  }

  void pack_operand(PlanStep& step, const PackedOperand& packed, const EvalArgs& args) {
    TensorId& operand = step.operands[packed.index];
    const std::string form = packed.form(args);
    const auto [it, fresh] = packed_.try_emplace({operand, form}, static_cast<TensorId>(draft_.plan.tensors.size()));
    if (fresh) {
      PlanTensor tensor = draft_.plan.tensor(operand);
      WeightData data = pack(packed, args);
      tensor.weight = static_cast<int32_t>(draft_.plan.weights.size());
      tensor.name += fmt::format("#{}", form);
      draft_.plan.weights.push_back({.name = tensor.name, .form = form, .bytes = data.bytes});
      draft_.plan.tensors.push_back(std::move(tensor));
      draft_.weights.push_back(std::move(data));
    }
    operand = it->second;
  }

  EngineData& draft_;
  const CompileOptions& options_;
  std::vector<TacticChoice>& report_;
  TimingCache cache_;
  std::map<std::pair<TensorId, std::string>, TensorId> packed_;
};

}  // namespace

bool takes_slices(const Plan& plan, const PlanStep& step, const Tactic* tactic) {
  if (tactic == nullptr || tactic->takes_slices == nullptr || !packs_constants(plan, step, *tactic)) return false;
  std::vector<Spec> in;
  for (const TensorId id : step.operands) in.push_back(id == kAbsent ? Spec{.defined = false} : plan.tensor(id).spec);
  return tactic->takes_slices({in, step.attrs});
}

void choose_tactics(EngineData& draft, const CompileOptions& options, std::vector<TacticChoice>& report) {
  TacticChooser(draft, options, report).run();
}

}  // namespace ingot
