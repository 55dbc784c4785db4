#include <unordered_map>

#include "ir/passes/passes.h"
#include "ir/text.h"

namespace ingot {
namespace {

// Results are a function of op, attributes and operands alone: ops keep no state, and dropout has its key in its
// attributes.
std::string key_of(const Node& node) {
  std::string key = fmt::format("{} {}", node.op->name, to_string(node.attrs));
  for (const Value* value : node.inputs)
    key += value == nullptr      ? " _"
           : value->is_literal() ? " " + literal_text(value->constant)
                                 : fmt::format(" {}", value->id);
  return key;
}

}  // namespace

/// Computes the same thing once.
///
/// Before:  %a = relu(%x)                      After:  %a = relu(%x)
///          %b = relu(%x)                              %y = add(%a, %a)
///          %y = add(%a, %b)
bool merge_common_subexpressions(Graph& graph, Report& report) {
  bool changed = false;
  std::unordered_map<std::string, Node*> first;
  for (Node& node : graph.nodes()) {
    const auto [it, fresh] = first.try_emplace(key_of(node), &node);
    if (fresh) continue;
    report.applied("merge_common_subexpressions", node, "the same as %" + it->second->result().name);
    for (size_t i = 0; i < node.outputs.size(); ++i) graph.replace_all_uses(node.result(i), it->second->result(i));
    graph.remove(node);
    changed = true;
  }
  return changed;
}

}  // namespace ingot
