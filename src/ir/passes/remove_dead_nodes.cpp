#include <algorithm>

#include "ir/passes/passes.h"

namespace ingot {

/// Removes what no output depends on, and constants that nobody reads.
///
/// Before:  %a = relu(%x)                      After:  %y = tanh(%x)
///          %y = tanh(%x)
bool remove_dead_nodes(Graph& graph, Report& report) {
  std::vector<Node*> nodes;
  for (Node& node : graph.nodes()) nodes.push_back(&node);
  bool changed = false;
  for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {  // readers before what they read
    Node& node = **it;
    const auto is_read = [&](const Value* v) { return !v->users.empty() || graph.is_output(*v); };
    if (std::any_of(node.outputs.begin(), node.outputs.end(), is_read)) continue;
    report.applied("remove_dead_nodes", node);
    graph.remove(node);
    changed = true;
  }
  graph.remove_unused_constants();
  return changed;
}

}  // namespace ingot
