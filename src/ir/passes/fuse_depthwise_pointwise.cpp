#include "ir/passes/passes.h"
#include "ops/attrs.h"
#include "ops/defs.h"

namespace ingot {
namespace {

/// As many groups as channels and results, of which there are several.
bool is_depthwise(const Node& node) {
  if (!is_conv(node)) return false;
  const int64_t groups = attrs_of_conv(node).groups;
  const Shape& weight = node.inputs[1]->spec.shape;
  return groups > 1 && weight[0] == groups && weight[1] == 1;
}

/// "mean and mul", of all that read the value.
std::string readers_of(const Value& value) {
  std::string out;
  for (size_t i = 0; i < value.users.size(); ++i)
    out += fmt::format("{}{}",
                       i == 0                        ? ""
                       : i + 1 == value.users.size() ? " and "
                                                     : ", ",
                       value.users[i].node->op->name);
  return out;
}

/// The 1x1 convolution that alone reads the result of the depthwise one.
Match<Node*> match(const Graph& graph, const Node& depthwise) {
  const Value& between = depthwise.result();
  if (graph.is_output(between)) return "the result of the depthwise convolution is an output of the graph";
  if (between.users.empty()) return "nobody reads its result";
  if (between.users.size() > 1) return fmt::format("its result is read by {}", readers_of(between));
  const auto [reader, operand] = between.users[0];
  if (!is_conv(*reader)) return fmt::format("its result is read by {}, not by a 1x1 convolution", reader->op->name);
  if (operand != 0) return "its result is not what the next convolution filters";
  const Conv2dAttrs pointwise = attrs_of_conv(*reader);
  const Shape& weight = reader->inputs[1]->spec.shape;
  if (!(weight[2] == 1 && weight[3] == 1)) return "the next convolution is not 1x1";
  if (pointwise.groups != 1) return "the 1x1 convolution has groups";
  if (pointwise.stride != Pair(1) || pointwise.padding != Pads(0)) return "the 1x1 convolution has a stride or padding";
  if (depthwise.input(3) != nullptr) return "a residual is added between the two";
  if (!depthwise.inputs[1]->is_constant() || !reader->inputs[1]->is_constant()) return "a weight is not constant";
  return reader;
}

std::vector<Value*> operands_of(const Node& depthwise, const Node& pointwise) {
  return trimmed({depthwise.inputs[0], depthwise.inputs[1], depthwise.input(2), pointwise.inputs[1], pointwise.input(2),
                  pointwise.input(3)});
}

DepthwisePointwiseAttrs attrs_of_both(const Node& depthwise, const Node& pointwise) {
  DepthwisePointwiseAttrs attrs;
  static_cast<ConvFusedAttrs&>(attrs) = attrs_of_conv(depthwise);
  const ConvFusedAttrs second = attrs_of_conv(pointwise);
  attrs.pointwise_activation = second.activation;
  attrs.pointwise_alpha = second.alpha;
  return attrs;
}

}  // namespace

/// Makes a depthwise convolution and the 1x1 convolution of its result one node, of which no reader sees the array
/// between them, so that it need never leave the cache. Whether one kernel or two run it is a tactic, chosen by timing.
///
/// Before:  %d = conv2d_fused(%x, %w, %b) {groups=32, activation="relu6"}
///          %y = conv2d(%d, %v, %c)
/// After:   %y = conv2d_depthwise_pointwise(%x, %w, %b, %v, %c) {groups=32, activation="relu6"}
bool fuse_depthwise_pointwise(Graph& graph, Report& report) {
  bool changed = false;
  for (Node& node : graph.nodes()) {
    if (!is_depthwise(node)) continue;
    const auto found = match(graph, node);
    if (!found) {
      report.refused("fuse_depthwise_pointwise", node, found.reason());
      continue;
    }
    Node& pointwise = **found;
    report.applied("fuse_depthwise_pointwise", node, "with %" + pointwise.result().name);
    Node& fresh = graph.add_node({.op = kConv2dDepthwisePointwise,
                                  .inputs = operands_of(node, pointwise),
                                  .attrs = attrs_of_both(node, pointwise),
                                  .path = pointwise.path,
                                  .before = &pointwise});
    replace(graph, pointwise, fresh.result());
    graph.remove(node);
    changed = true;
  }
  return changed;
}

}  // namespace ingot
