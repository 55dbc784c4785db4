#include "ingot/autograd.h"
#include "ingot/ops.h"
#include "ir/passes/passes.h"
#include "ops/attrs.h"
#include "ops/defs.h"

namespace ingot {
namespace {

/// The linear layer behind a flatten of channels-last planes.
Match<Node*> match(const Graph& graph, const Node& flatten) {
  const Spec &x = flatten.inputs[0]->spec, &y = flatten.result().spec;
  if (x.shape.size() != 4 || x.layout != Layout::channels_last) return "its input is not channels-last";
  const Node* producer = flatten.inputs[0]->producer;
  if (producer != nullptr && producer->is("permute")) return "its input is a permuted view";
  for (size_t d = 1; d < 4; ++d)
    if (!x.shape[d].is_number()) return "the planes' size is symbolic";
  if (y.shape.size() != 2 || !(y.shape[0] == x.shape[0])) return "it does more than flatten each sample";
  if (x.shape[1] == 1 || x.shape[2] * x.shape[3] == 1) return "one channel or 1x1 planes lie in order already";
  if (graph.is_output(flatten.result())) return "its result is an output of the graph";
  if (flatten.result().users.size() != 1) return "its result has other readers";
  const auto [reader, operand] = flatten.result().users[0];
  if (!(reader->is("linear") || reader->is("linear_fused")) || operand != 0)
    return "its result is not the input of a linear layer";
  if (!reader->input(1)->is_constant()) return "the weight is not constant";
  return reader;
}

/// [O, C*H*W] to [O, H*W*C].
Tensor with_channels_last(const Tensor& weight, const Shape& planes) {
  const NoGrad no_grad;
  const Tensor by_plane = reshape(weight, {weight.size(0), planes[1], planes[2], planes[3]});
  Tensor out = empty(weight.shape(), weight.dtype(), Layout::row_major);
  copy_into(out, reshape(permute(by_plane, {0, 2, 3, 1}), weight.shape()));
  return out;
}

void rewrite(Graph& graph, Node& flatten, Node& linear) {
  Value& x = *flatten.inputs[0];
  Value& weight =
      add_derived_constant(graph, with_channels_last(linear.input(1)->constant, x.spec.shape), linear.input(1)->name);
  const Node& last = graph.add_node(
      {.op = kPermute, .inputs = {&x}, .attrs = PermuteAttrs{{0, 2, 3, 1}}, .path = flatten.path, .before = &linear});
  const Node& flat = graph.add_node(
      {.op = kReshape, .inputs = {&last.result()}, .attrs = flatten.attrs, .path = flatten.path, .before = &linear});
  graph.set_input(linear, 0, &flat.result());
  graph.set_input(linear, 1, &weight);
  graph.remove(flatten);
}

}  // namespace

/// Flattens channels-last planes in the order in which they lie in memory, which costs nothing, and permutes the
/// columns of the linear layer that reads them (VGG, AlexNet).
///
/// Before:  %f = reshape(%x) {[n, c*h*w]}      After:  %p = permute(%x) {[0, 2, 3, 1]}      a view
///          %y = linear(%f, %w, %b)                    %f = reshape(%p) {[n, h*w*c]}        a view
///                                                     %y = linear(%f, %w2, %b)
bool permute_flatten(Graph& graph, Report& report) {
  bool changed = false;
  for (Node* flatten : graph.nodes_of("reshape")) {
    const auto linear = match(graph, *flatten);
    if (!linear) {
      report.refused("permute_flatten", *flatten, linear.reason());
      continue;
    }
    report.applied("permute_flatten", *flatten, "columns of %" + (*linear)->result().name);
    rewrite(graph, *flatten, **linear);
    changed = true;
  }
  return changed;
}

}  // namespace ingot
