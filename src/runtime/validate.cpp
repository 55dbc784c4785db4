#include "runtime/validate.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "ops/attrs.h"
#include "ops/defs.h"
#include "runtime/op_rules.h"
#include "runtime/tactics.h"
#include "tensor/symbols.h"

namespace ingot {
namespace {

constexpr int64_t kMostBytes = int64_t{1} << 46;  // of one tensor, and of all together
constexpr size_t kMostSteps = 1 << 17, kMostSizes = 16;
constexpr int64_t kMostSide = 1 << 16;  // of an image

void check_number(Dim d, std::string_view what) {
  if (d.is_number()) CHECK(d.value() >= -kMostSize && d.value() <= kMostSize, "{}: {} is too large", what, d.value());
}

void check_numbers(const Attrs& attrs, std::string_view what) {
  if (!attrs) return;
  for (const auto& field : attrs.type()->fields) {
    const AttrValue value = attrs.field(field.name);
    if (const Dim* d = std::get_if<Dim>(&value)) check_number(*d, what);
    if (const auto* dims = std::get_if<std::vector<Dim>>(&value))
      for (const Dim d : *dims) check_number(d, what);
  }
}

/// Walks a plan once, in the order in which the executor will.
class Validator {
 public:
  Validator(const Plan& plan, uint64_t weights_bytes)
      : plan_(plan), weights_bytes_(weights_bytes), made_(plan.tensors.size()), maker_(plan.tensors.size(), -1) {}

  void run() {
    CHECK(plan_.steps.size() <= kMostSteps && plan_.tensors.size() <= 8 * kMostSteps, "the plan has too many steps");
    check_sizes();
    check_weights();
    for (const PlanTensor& t : plan_.tensors) check_tensor(t);
    check_inputs();
    for (size_t i = 0; i < plan_.steps.size(); ++i) check_step(static_cast<int32_t>(i));
    for (size_t i = 0; i < made_.size(); ++i) CHECK(made_[i], "tensor '{}' is made by no step", plan_.tensors[i].name);
    for (const PlanTensor& t : plan_.tensors) check_part(t);
    check_outputs();
    check_preprocessing();
  }

 private:
  void check_preprocessing() const {
    const Preprocessing& p = plan_.preprocessing;
    for (const auto* list : {&p.mean, &p.std}) CHECK(list->size() <= 16, "preprocessing has {} channels", list->size());
    for (const auto* list : {&p.resize, &p.center_crop}) {
      CHECK(list->size() <= 2, "preprocessing has an image of {} sizes", list->size());
      for (const int64_t size : *list)
        CHECK(size >= 1 && size <= kMostSide, "preprocessing has an image of {} pixels a side", size);
    }
  }
  void check_sizes() {
    std::set<std::string_view> names;
    CHECK(plan_.sizes.size() <= kMostSizes, "the plan has {} free sizes", plan_.sizes.size());
    for (const PlanSize& s : plan_.sizes) {
      CHECK(names.insert(s.name).second && !s.name.empty(), "the size '{}' appears twice", s.name);
      CHECK(s.min >= 0 && s.min <= s.example && s.example <= s.max && s.max <= kMostSize,
            "size '{}' = {} in {}..{} is no range", s.name, s.example, s.min, s.max);
      const bool decided = std::any_of(plan_.inputs.begin(), plan_.inputs.end(), [&](TensorId id) {
        if (id < 0 || static_cast<size_t>(id) >= plan_.tensors.size()) return false;
        const Shape& shape = plan_.tensor(id).spec.shape;
        return std::find(shape.begin(), shape.end(), Dim::symbol(s.name, s.example)) != shape.end();
      });
      CHECK(decided, "no input's shape decides the size '{}'", s.name);
    }
  }

  void check_weights() {
    std::vector<std::pair<uint64_t, uint64_t>> places;
    for (const PlanWeight& w : plan_.weights) {
      CHECK(w.offset % kWeightAlignment == 0 && w.offset <= weights_bytes_ && w.bytes <= weights_bytes_ - w.offset,
            "weight '{}' lies outside the weights", w.name);
      if (w.bytes > 0) places.emplace_back(w.offset, w.offset + w.bytes);
    }
    std::sort(places.begin(), places.end());
    for (size_t i = 1; i < places.size(); ++i) CHECK(places[i - 1].second <= places[i].first, "two weights overlap");
  }

  void check_tensor(const PlanTensor& t) {
    CHECK(names_.insert(t.name).second, "the tensor '{}' appears twice", t.name);
    CHECK(t.spec.defined && (t.spec.layout == Layout::row_major || t.spec.shape.size() == 4),
          "tensor '{}' has no valid layout", t.name);
    for (const Dim d : t.spec.shape) check_number(d, t.name);
    const auto id = static_cast<TensorId>(&t - plan_.tensors.data());
    CHECK((t.home == Home::weight) == (t.weight >= 0) && t.weight < static_cast<int64_t>(plan_.weights.size()),
          "tensor '{}' has no weight {}", t.name, t.weight);
    CHECK(t.part_of < 0 || t.home == Home::computed, "tensor '{}' is not computed and yet part of a concat", t.name);
    if (t.home == Home::weight) {
      CHECK(is_concrete(t.spec.shape), "weight '{}' has a free size", t.name);
      const PlanWeight& w = plan_.weights[static_cast<size_t>(t.weight)];
      for (const Dim d : t.spec.shape) CHECK(d.value() >= 0, "weight '{}' has a negative size", t.name);
      const auto bytes = static_cast<uint64_t>(numel(t.spec.shape).value()) * size_of(t.spec.dtype);
      CHECK(w.form != "dense" || w.bytes == bytes, "weight '{}' has {} bytes, {} takes {}", t.name, w.bytes,
            type_text(t.spec), bytes);
      made_[static_cast<size_t>(id)] = true;
    }
  }

  void check_inputs() {
    for (const TensorId id : plan_.inputs) {
      CHECK(in_range(id) && plan_.tensor(id).home == Home::input && !made(id), "an input is no input tensor");
      made(id) = true;
    }
    for (size_t i = 0; i < made_.size(); ++i)
      CHECK(plan_.tensors[i].home != Home::input || made_[i], "tensor '{}' is no input", plan_.tensors[i].name);
  }

  void check_step(int32_t index) {
    const PlanStep& step = plan_.steps[static_cast<size_t>(index)];
    CHECK(step.op != nullptr, "step {} has no op", index);
    const std::string name = name_of(step);
    CHECK(rule_of(step.op->name) != nullptr, "{}: engines do not run this op", name);
    const auto count = static_cast<int>(step.operands.size());
    CHECK(count >= step.op->operands.least && count <= step.op->operands.most, "{} has {} operands", name, count);
    for (int i = 0; i < count; ++i) check_operand(step, name, i);
    CHECK((step.attrs ? step.attrs.type() : nullptr) == step.op->attrs, "{} has attributes of another op", name);
    check_numbers(step.attrs, name);
    check_forms(step, name, packed_operands(find_tactic(*step.op, step.tactic), step.operands.size()));
    CHECK(!step.results.empty() && step.results.size() <= Results::kMost && step.results[0] != kAbsent,
          "{} has no result", name);
    for (const TensorId id : step.results) {
      if (id == kAbsent) continue;
      CHECK(in_range(id) && plan_.tensor(id).home == Home::computed && !made(id), "{} makes what is there already",
            name);
      made(id) = true;
      maker_[static_cast<size_t>(id)] = index;
    }
  }

  void check_operand(const PlanStep& step, const std::string& name, int i) {
    const TensorId id = step.operands[static_cast<size_t>(i)];
    if (id == kAbsent) {
      CHECK(i < 32 && (step.op->operands.optional >> i & 1u) != 0, "{} lacks operand {}", name, i);
      return;
    }
    CHECK(in_range(id) && made(id), "{} reads operand {} before it is made", name, i);
  }

  // Packed data may only go to operands that the tactic reads packed.
  void check_forms(const PlanStep& step, const std::string& name, std::span<const PackedOperand> packed) {
    for (size_t i = 0; i < step.operands.size(); ++i) {
      const TensorId id = step.operands[i];
      const bool is_packed = id != kAbsent && plan_.tensor(id).home == Home::weight &&
                             plan_.weights[static_cast<size_t>(plan_.tensor(id).weight)].form != "dense";
      const bool wanted =
          std::any_of(packed.begin(), packed.end(), [&](const PackedOperand& operand) { return operand.index == i; });
      CHECK(is_packed == wanted, "{}: operand {} is {}packed for the tactic {}", name, i, is_packed ? "" : "not ",
            step.tactic);
    }
  }

  void check_part(const PlanTensor& t) {
    if (t.part_of < 0) return;
    const auto id = static_cast<TensorId>(&t - plan_.tensors.data());
    CHECK(t.part_of < static_cast<int64_t>(plan_.steps.size()), "tensor '{}' is part of no step", t.name);
    const PlanStep& concat = plan_.steps[static_cast<size_t>(t.part_of)];
    CHECK(concat.op == &kConcat && concat.tactic == "in_place" &&
              std::count(concat.operands.begin(), concat.operands.end(), id) == 1,
          "tensor '{}' is no part of {}", t.name, name_of(concat));
    const PlanStep& maker = plan_.steps[static_cast<size_t>(maker_[static_cast<size_t>(id)])];
    CHECK(maker.op->view == nullptr, "tensor '{}' is a view and cannot be part of a concat", t.name);
  }

  void check_outputs() {
    std::set<std::string_view> names;
    for (const PlanOutput& out : plan_.outputs) {
      CHECK(names.insert(out.name).second, "the output '{}' appears twice", out.name);
      CHECK(in_range(out.tensor), "output '{}' is no tensor", out.name);
      const PlanTensor& t = plan_.tensor(out.tensor);
      CHECK(t.home != Home::weight || plan_.weights[static_cast<size_t>(t.weight)].form == "dense",
            "output '{}' is packed", out.name);
    }
  }

  bool in_range(TensorId id) const { return id >= 0 && static_cast<size_t>(id) < plan_.tensors.size(); }
  std::vector<bool>::reference made(TensorId id) { return made_[static_cast<size_t>(id)]; }

  const Plan& plan_;
  uint64_t weights_bytes_;
  std::vector<bool> made_;
  std::vector<int32_t> maker_;
  std::set<std::string_view> names_;
};

Spec at_sizes(const PlanTensor& t, const SymbolValues& sizes) {
  Spec spec = t.spec;
  int64_t bytes = static_cast<int64_t>(size_of(spec.dtype));
  for (Dim& d : spec.shape) {
    d = substitute(d, sizes);
    CHECK(d.is_number() && d.value() >= 0 && d.value() <= kMostSize, "tensor '{}' has a size of {}", t.name, d.str());
    CHECK(!__builtin_mul_overflow(bytes, d.value(), &bytes) && bytes <= kMostBytes, "tensor '{}' is too large", t.name);
  }
  return spec;
}

bool agrees(const Spec& a, const Spec& b) {
  return a.shape == b.shape && a.dtype == b.dtype && normalised(a).layout == normalised(b).layout;
}

void check_shape_rule(const PlanStep& step, const Attrs& attrs, const SizedPlan& sized) {
  std::vector<Spec> operands;
  for (const TensorId id : step.operands)
    operands.push_back(id == kAbsent ? Spec{.defined = false} : sized.specs[static_cast<size_t>(id)]);
  const Results results = step.op->infer({operands, attrs});
  CHECK(results.specs.size() == step.results.size(), "it has {} results, not {}", results.specs.size(),
        step.results.size());
  for (size_t i = 0; i < step.results.size(); ++i) {
    const TensorId id = step.results[i];
    CHECK(id != kAbsent || i >= results.visible, "result {} is missing", i);
    if (id == kAbsent) continue;
    const Spec& spec = sized.specs[static_cast<size_t>(id)];
    CHECK(agrees(spec, results.specs[i]), "result {} is {}, the shape rule gives {}", i, type_text(spec),
          type_text(results.specs[i]));
  }
}

}  // namespace

void validate(const Plan& plan, uint64_t weights_bytes) { Validator(plan, weights_bytes).run(); }

int64_t SizedPlan::bytes(TensorId id) const {
  const Spec& spec = specs[static_cast<size_t>(id)];
  return numel(spec.shape).value() * static_cast<int64_t>(size_of(spec.dtype));
}

SizedPlan at_sizes(const Plan& plan, const SymbolValues& sizes) {
  SizedPlan out;
  int64_t total = 0;
  for (const PlanTensor& t : plan.tensors) {
    out.specs.push_back(at_sizes(t, sizes));
    total += out.bytes(static_cast<TensorId>(out.specs.size()) - 1);
    CHECK(total <= kMostBytes, "the tensors are too large together");
  }
  for (const PlanStep& step : plan.steps) {
    try {
      const Attrs& attrs = out.attrs.emplace_back(substitute(step.attrs, sizes));
      check_numbers(attrs, "attributes");
      check_shape_rule(step, attrs, out);
    } catch (const Error& e) {
      fail("{}: {}", name_of(step), e.what());
    }
  }
  return out;
}

void check_ranges(const Plan& plan, const SymbolValues& sizes) {
  for (const auto& [name, value] : sizes)
    CHECK(std::any_of(plan.sizes.begin(), plan.sizes.end(), [&](const PlanSize& s) { return s.name == name; }),
          "the engine has no free size '{}'", name);
  for (const PlanSize& s : plan.sizes) {
    const auto it = sizes.find(s.name);
    CHECK(it != sizes.end(), "the size '{}' is not given", s.name);
    CHECK(it->second >= s.min && it->second <= s.max, "{} = {} is outside {}..{}, for which the engine was built",
          s.name, it->second, s.min, s.max);
  }
}

}  // namespace ingot
