#include "ir/passes/passes.h"
#include "ops/attrs.h"
#include "ops/defs.h"

namespace ingot {
namespace {

Match<Node*> match(const Graph& graph, const Node& relu) {
  const Value& x = *relu.inputs[0];
  if (x.producer == nullptr || !x.producer->is("batch_norm")) return "its input is not made by a batch norm";
  if (graph.is_output(x)) return "the result before the relu is an output of the graph";
  if (!is_only_read_by(graph, x, relu, 0)) return "the result before the relu has other readers";
  return x.producer;
}

}  // namespace

/// Applies a relu in the batch norm before it: one way through memory.
///
/// Before:  %n = batch_norm(%x, %mean, %var)      After:  %y = batch_norm_relu(%x, %mean, %var)
///          %y = relu(%n)
bool fuse_batch_norm_relu(Graph& graph, Report& report) {
  bool changed = false;
  for (Node& node : graph.nodes()) {
    if (!node.is("relu")) continue;
    const auto norm = match(graph, node);
    if (!norm) {
      report.refused("fuse_batch_norm_relu", node, norm.reason());
      continue;
    }
    report.applied("fuse_batch_norm_relu", node, "into %" + (*norm)->result().name);
    Node& fresh = graph.add_node({.op = kBatchNormRelu,
                                  .inputs = (*norm)->inputs,
                                  .attrs = (*norm)->as<BatchNormAttrs>(),
                                  .path = (*norm)->path,
                                  .before = &node});
    replace(graph, node, fresh.result());
    graph.remove(**norm);
    changed = true;
  }
  return changed;
}

}  // namespace ingot
