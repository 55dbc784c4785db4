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

}  // namespace

/// Makes one of two reshapes or two permutations in a row; where they cancel, drop_identities removes the rest.
///
/// Before:  %a = permute(%x) {[0, 2, 3, 1]}    After:  %y = permute(%x) {[0, 1, 2, 3]}
///          %y = permute(%a) {[0, 3, 1, 2]}
bool merge_views(Graph& graph, Report& report) {
  bool changed = false;
  for (Node& node : graph.nodes()) {
    const Node* first = node.input(0) != nullptr ? node.input(0)->producer : nullptr;
    if (first == nullptr) continue;
    const Attrs attrs = merged(*first, node);
    if (!attrs) continue;
    Node& fresh = graph.add_node(
        {.op = *node.op, .inputs = {first->inputs[0]}, .attrs = attrs, .path = node.path, .before = &node});
    if (!same_spec(fresh.result().spec, node.result().spec)) {
      report.refused("merge_views", node, "the layouts differ");
      graph.remove(fresh);
      continue;
    }
    report.applied("merge_views", node, "with %" + first->result().name);
    replace(graph, node, fresh.result());
    changed = true;
  }
  return changed;
}

}  // namespace ingot
