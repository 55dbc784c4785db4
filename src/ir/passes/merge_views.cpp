#include <algorithm>

#include "ir/passes/passes.h"
#include "ops/attrs.h"

namespace ingot {
namespace {

/// The attributes by which the node could read what its operand's producer reads.
Attrs merged(const Node& first, const Node& second) {
  if (first.is("reshape") && second.is("reshape")) return second.attrs;
  if (!first.is("permute") || !second.is("permute")) return {};
  PermuteAttrs both;
  for (const int64_t d : second.as<PermuteAttrs>().dims)
    both.dims.push_back(first.as<PermuteAttrs>().dims[static_cast<size_t>(d)]);
  return both;
}

bool changes_nothing(const Attrs& attrs, const Value& x, const Node& node) {
  if (!same_spec(x.spec, node.result().spec)) return false;
  if (!node.is("permute")) return true;
  const auto& dims = attrs.get<PermuteAttrs>().dims;
  return std::is_sorted(dims.begin(), dims.end());
}

}  // namespace

/// Makes one of two reshapes or two permutations in a row, and none of two that cancel.
///
/// Before:  %a = permute(%x) {[0, 2, 3, 1]}    After:  %y = relu(%x)
///          %b = permute(%a) {[0, 3, 1, 2]}
///          %y = relu(%b)
bool merge_views(Graph& graph, Report& report) {
  bool changed = false;
  for (Node& node : graph.nodes()) {
    const Node* first = node.input(0) != nullptr ? node.input(0)->producer : nullptr;
    if (first == nullptr) continue;
    const Attrs attrs = merged(*first, node);
    if (!attrs) continue;
    report.applied("merge_views", node, "with %" + first->result().name);
    Value& x = *first->inputs[0];
    if (changes_nothing(attrs, x, node)) {
      graph.replace_all_uses(node.result(), x);
      graph.remove(node);
    } else {
      Node& fresh =
          graph.add_node({.op = *node.op, .inputs = {&x}, .attrs = attrs, .path = node.path, .before = &node});
      replace(graph, node, fresh.result());
    }
    changed = true;
  }
  return changed;
}

}  // namespace ingot
