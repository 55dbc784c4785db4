#include "ir/passes/passes.h"
#include "ops/attrs.h"
#include "ops/defs.h"

namespace ingot {
namespace {

/// The activation that an op's name says; none for other ops.
Activation activation_of(const Node& node) {
  const auto names = enum_names(Activation{});
  for (size_t i = 1; i < names.size(); ++i)
    if (node.is(names[i])) return static_cast<Activation>(i);
  return Activation::none;
}

bool is_linear(const Node& node) { return node.is("linear") || node.is("linear_fused"); }

bool is_activated(const Node& node) {
  if (is_conv(node)) return attrs_of_conv(node).activation != Activation::none;
  return node.is("linear_fused") && node.as<LinearFusedAttrs>().activation != Activation::none;
}

Match<Node*> match(const Graph& graph, const Node& activation) {
  const Value& x = *activation.inputs[0];
  if (x.producer == nullptr || !(is_conv(*x.producer) || is_linear(*x.producer)))
    return "its input is not made by a convolution or linear layer";
  if (graph.is_output(x)) return "the result before the activation is an output of the graph";
  if (!is_only_read_by(graph, x, activation, 0)) return "the result before the activation has other readers";
  if (is_activated(*x.producer)) return "the layer has an activation already";
  return x.producer;
}

Node& add_fused(Graph& graph, const Node& layer, Node& activation) {
  const Activation kind = activation_of(activation);
  const double alpha = activation.attrs ? activation.as<AlphaAttrs>().alpha : 0;
  NewNode fused{.op = is_conv(layer) ? kConv2dFused : kLinearFused,
                .inputs = layer.inputs,
                .path = layer.path,
                .before = &activation};
  if (is_linear(layer)) {
    fused.attrs = LinearFusedAttrs{kind, alpha};
    return graph.add_node(fused);
  }
  ConvFusedAttrs attrs = attrs_of_conv(layer);
  attrs.activation = kind;
  attrs.alpha = alpha;
  fused.attrs = attrs;
  return graph.add_node(fused);
}

}  // namespace

/// Applies the activation inside the convolution or linear layer.
///
/// Before:  %c = conv2d(%x, %w, %b)            After:  %y = conv2d_fused(%x, %w, %b) {activation="relu"}
///          %y = relu(%c)
bool fuse_conv_activation(Graph& graph, Report& report) {
  bool changed = false;
  for (Node& node : graph.nodes()) {
    if (activation_of(node) == Activation::none) continue;
    const auto layer = match(graph, node);
    if (!layer) {
      report.refused("fuse_conv_activation", node, layer.reason());
      continue;
    }
    report.applied("fuse_conv_activation", node, "into %" + (*layer)->result().name);
    Node& fresh = add_fused(graph, **layer, node);
    replace(graph, node, fresh.result());
    graph.remove(**layer);
    changed = true;
  }
  return changed;
}

}  // namespace ingot
