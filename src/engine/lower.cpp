#include "engine/lower.h"

#include <unordered_map>

#include "base/check.h"
#include "base/isa.h"
#include "base/parallel.h"
#include "runtime/op_rules.h"
#include "runtime/validate.h"
#include "tensor/impl.h"
#include "tensor/symbols.h"

namespace ingot {
namespace {

/// The graph's range, narrowed by what the options say.
PlanSize size_in(const std::string& name, SizeRange range, const CompileOptions& options) {
  if (const auto it = options.sizes.find(name); it != options.sizes.end()) {
    CHECK(it->second.min >= range.min && it->second.max <= range.max, "size '{}' in {}..{} exceeds the graph's {}..{}",
          name, it->second.min, it->second.max, range.min, range.max);
    range = it->second;
  }
  range.max = std::min(range.max, kMostSize);
  CHECK(range.min <= range.example && range.example <= range.max, "size '{}': {} is outside {}..{}", name,
        range.example, range.min, range.max);
  return {name, range.example, range.min, range.max};
}

class Lowering {
 public:
  Lowering(const Graph& graph, const CompileOptions& options) : graph_(graph), options_(options) {}

  EngineData run() {
    add_sizes();
    for (const Value* value : graph_.inputs()) {
      const TensorId id = add_tensor(*value, Home::input);
      draft_.plan.inputs.push_back(id);
    }
    for (const Node& node : graph_.nodes()) add_step(node);
    for (const auto& output : graph_.outputs()) draft_.plan.outputs.push_back({output.name, tensor_of(*output.value)});
    draft_.plan.preprocessing = options_.preprocessing;
    draft_.plan.class_names = options_.class_names;
    draft_.plan.built_for = {cpu_name(), std::string(name_of(active_isa())), adopt_thread_count()};
    return std::move(draft_);
  }

 private:
  void add_sizes() {
    for (const auto& [name, range] : options_.sizes)
      CHECK(graph_.sizes().contains(name), "the graph has no free size '{}'", name);
    std::set<std::string> batches;
    for (const Value* value : graph_.inputs())
      if (!value->spec.shape.empty() && !value->spec.shape[0].is_number())
        for (const std::string& name : symbols_in(value->spec.shape[0])) batches.insert(name);
    for (const auto& [name, range] : graph_.sizes()) {
      PlanSize& size = draft_.plan.sizes.emplace_back(size_in(name, range, options_));
      if (options_.max_batch > 0 && batches.contains(name)) {
        CHECK(options_.max_batch >= size.min && options_.max_batch <= size.max, "max_batch {} is outside {} in {}..{}",
              options_.max_batch, name, size.min, size.max);
        size.max = options_.max_batch;
        size.example = std::min(size.example, size.max);
      }
    }
  }

  TensorId add_tensor(const Value& value, Home home) {
    const auto id = static_cast<TensorId>(draft_.plan.tensors.size());
    draft_.plan.tensors.push_back({.name = unique_name(value), .spec = value.spec, .home = home});
    ids_[&value] = id;
    return id;
  }

  // A value and a constant may have one name, and literals have none.
  std::string unique_name(const Value& value) {
    const std::string base = value.name.empty() ? "literal" : value.name;
    std::string name = base;
    for (int i = 1; !names_.insert(name).second; ++i) name = fmt::format("{}.{}", base, i);
    return name;
  }

  TensorId add_weight(const Value& value) {
    Tensor data = value.constant;
    const Spec& spec = value.spec;
    CHECK(is_concrete(spec.shape), "internal: constant '{}' has a free size", value.name);
    if (!is_dense(data.shape(), data.strides(), spec.layout)) data = ingot::clone(data);
    CHECK(is_dense(data.shape(), data.strides(), spec.layout), "internal: constant '{}' is not dense", value.name);
    const TensorId id = add_tensor(value, Home::weight);
    const auto bytes = static_cast<size_t>(data.numel().value()) * size_of(data.dtype());
    draft_.plan.tensor(id).weight = static_cast<int32_t>(draft_.plan.weights.size());
    draft_.plan.weights.push_back({.name = draft_.plan.tensor(id).name, .bytes = bytes});
    draft_.weights.push_back({static_cast<const std::byte*>(array_of(data).data), bytes, data.impl()->storage});
    return id;
  }

  TensorId tensor_of(const Value& value) {
    if (const auto it = ids_.find(&value); it != ids_.end()) return it->second;
    CHECK(value.is_constant(), "internal: '{}' is read before it is made", value.name);
    return add_weight(value);
  }

  void add_step(const Node& node) {
    CHECK(rule_of(node.op->name) != nullptr, "[{}] {}: engines do not run this op", node.op->name, node.path);
    PlanStep step{.op = node.op, .attrs = node.attrs, .operands = {}, .results = {}, .path = node.path};
    if (!step.attrs && node.op->attrs != nullptr) step.attrs = Attrs(*node.op->attrs, node.op->attrs->make());
    for (const Value* in : node.inputs) step.operands.push_back(in != nullptr ? tensor_of(*in) : kAbsent);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const Value& out = *node.outputs[i];
      const bool wanted = i < node.visible || !out.users.empty() || graph_.is_output(out);
      step.results.push_back(wanted ? add_tensor(out, Home::computed) : kAbsent);
    }
    draft_.plan.steps.push_back(std::move(step));
  }

  const Graph& graph_;
  const CompileOptions& options_;
  EngineData draft_;
  std::unordered_map<const Value*, TensorId> ids_;
  std::set<std::string> names_;
};

}  // namespace

EngineData lower(const Graph& graph, const CompileOptions& options) { return Lowering(graph, options).run(); }

}  // namespace ingot
