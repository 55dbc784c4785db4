#include <unordered_map>

#include "base/check.h"
#include "ir/node.h"
#include "ops/attrs.h"

namespace ingot {
namespace {

Shape substitute(const Shape& shape, const SymbolValues& values) {
  Shape out;
  for (const Dim d : shape) out.push_back(ingot::substitute(d, values));
  return out;
}

/// Copies a graph, with some of its sizes fixed.
class Copy {
 public:
  Copy(const Graph& from, const SymbolValues& values) : from_(from), values_(values) {}

  Graph run() {
    for (const auto& [name, range] : from_.sizes())
      if (!values_.contains(name)) to_.add_size(name, range);
    for (const Value* value : from_.inputs()) {
      Spec spec = value->spec;
      spec.shape = substitute(spec.shape, values_);
      made_[value] = &to_.add_input(value->name, spec);
    }
    for (const Value* value : from_.constants()) made_[value] = &to_.add_constant(value->constant, value->name);
    for (const Node& node : from_.nodes()) copy(node);
    for (const auto& [name, value] : from_.outputs()) to_.add_output(*made_.at(value), name);
    return std::move(to_);
  }

 private:
  /// Where a size becomes a number, the op that made a scalar of it becomes that scalar, as tracing at that size has
  /// it.
  bool copy_as_literal(const Node& node) {
    if (!node.is("size") || node.as<SizeAttrs>().value.is_number()) return false;
    const Dim value = ingot::substitute(node.as<SizeAttrs>().value, values_);
    if (!value.is_number()) return false;
    made_[&node.result()] = &to_.add_constant(scalar(static_cast<double>(value.value()), node.result().spec.dtype));
    return true;
  }

  void copy(const Node& node) {
    if (copy_as_literal(node)) return;
    NewNode fresh{.op = *node.op, .attrs = ingot::substitute(node.attrs, values_), .path = node.path};
    for (const Value* value : node.inputs) fresh.inputs.push_back(value != nullptr ? made_.at(value) : nullptr);
    for (const Value* value : node.outputs) fresh.names.push_back(value->name);
    const Node& made = to_.add_node(fresh);
    for (size_t i = 0; i < node.outputs.size(); ++i) made_[&node.result(i)] = &made.result(i);
  }

  const Graph& from_;
  const SymbolValues& values_;
  Graph to_;
  std::unordered_map<const Value*, Value*> made_;
};

}  // namespace

Graph Graph::clone() const { return Copy(*this, {}).run(); }

Graph at_sizes(const Graph& graph, const SymbolValues& values) {
  for (const auto& [name, value] : values) {
    const auto size = graph.sizes().find(name);
    CHECK(size != graph.sizes().end(), "the graph has no size '{}'", name);
    CHECK(value >= size->second.min && value <= size->second.max, "{} = {} is outside {}..{}", name, value,
          size->second.min, size->second.max);
  }
  return Copy(graph, values).run();
}

}  // namespace ingot
