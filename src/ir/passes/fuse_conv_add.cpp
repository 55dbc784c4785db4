#include "ir/passes/passes.h"
#include "ops/attrs.h"
#include "ops/defs.h"

namespace ingot {
namespace {

constexpr const char* kNoConvolution = "no operand is made by a convolution";

bool is_made_by_conv(const Value& value) { return value.producer != nullptr && is_conv(*value.producer); }

bool is_activated_conv(const Value& value) {
  if (value.producer == nullptr || value.producer->inputs.size() != 1) return false;
  const Value* input = value.producer->inputs[0];
  return input != nullptr && is_made_by_conv(*input) && input->spec.shape == value.spec.shape;
}

/// Whether the convolution can take the other operand as its residual.
Match<Node*> match_operand(const Graph& graph, const Node& add, size_t operand) {
  const Value &y = *add.inputs[operand], &other = *add.inputs[1 - operand];
  if (!is_made_by_conv(y)) return is_activated_conv(y) ? "the activation comes before the addition" : kNoConvolution;
  if (&y == &other) return "both operands are the same value";
  if (graph.is_output(y)) return "the convolution's result is an output of the graph";
  if (!is_only_read_by(graph, y, add, operand)) return "the convolution's result has other readers";
  if (!(y.spec.shape == other.spec.shape))
    return fmt::format("the operands are {} and {}", to_string(y.spec.shape), to_string(other.spec.shape));
  if (!same_spec(y.spec, add.result().spec)) return "the sum has another layout";
  Node* conv = y.producer;
  if (conv->input(3) != nullptr) return "the convolution has a residual already";
  if (attrs_of_conv(*conv).activation != Activation::none) return "the activation comes before the addition";
  return conv;
}

/// The later convolution takes the other result in, which then exists already when it runs.
Match<Node*> match(const Graph& graph, const Node& add) {
  auto first = match_operand(graph, add, 0), second = match_operand(graph, add, 1);
  if (first && second) return (*first)->id > (*second)->id ? first : second;
  if (first) return first;
  if (second) return second;
  return first.reason() == kNoConvolution ? second : first;
}

}  // namespace

/// Adds a residual inside the convolution. The fused node stands where the addition stood: all that it reads exists.
///
/// Before:  %c = conv2d(%x, %w, %b)            After:  %y = conv2d_fused(%x, %w, %b, %r)
///          %y = add(%c, %r)
bool fuse_conv_add(Graph& graph, Report& report) {
  bool changed = false;
  for (Node* add : graph.nodes_of("add")) {
    const auto conv = match(graph, *add);
    if (!conv) {
      report.refused("fuse_conv_add", *add, conv.reason());
      continue;
    }
    Node& c = **conv;
    report.applied("fuse_conv_add", *add, "into %" + c.result().name);
    Value* residual = add->inputs[0] == &c.result() ? add->inputs[1] : add->inputs[0];
    Node& fresh = graph.add_node({.op = kConv2dFused,
                                  .inputs = {c.inputs[0], c.inputs[1], c.input(2), residual},
                                  .attrs = attrs_of_conv(c),
                                  .path = c.path,
                                  .before = add});
    replace(graph, *add, fresh.result());
    graph.remove(c);
    changed = true;
  }
  return changed;
}

}  // namespace ingot
