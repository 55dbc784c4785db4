#include "ingot/autograd.h"
#include "ingot/ops.h"
#include "ir/passes/passes.h"
#include "ops/defs.h"

namespace ingot {
namespace {

struct Found {
  Node* producer;  // conv2d or linear
  ChannelAffine affine;
};

Match<Found> match(const Graph& graph, const Node& bn) {
  Node* producer = bn.inputs[0]->producer;
  if (producer == nullptr || !(producer->is("conv2d") || producer->is("linear")))
    return "its input is not made by a convolution or linear layer";
  if (bn.is("batch_norm_train")) return "it uses the batch's statistics (training mode)";
  if (producer->is("linear") && producer->result().spec.shape.size() != 2)
    return "batch norm's channels are dimension 1, the linear layer's features the last";
  if (graph.is_output(producer->result())) return "the result before batch norm is an output of the graph";
  if (!is_only_read_by(graph, producer->result(), bn, 0)) return "the result before batch norm has other readers";
  if (!producer->input(1)->is_constant() || !is_constant_or_absent(producer->input(2)))
    return "the weight or bias is not constant";
  const auto affine = affine_of(bn);
  if (!affine) return affine.reason();
  return Found{producer, *affine};
}

/// New tensors, since others may read the old ones.
void fold(Graph& graph, Node& bn, const Found& found) {
  const NoGrad no_grad;
  const Node& producer = *found.producer;
  const Tensor weight = constant_of(producer, 1), bias = constant_of(producer, 2);
  const auto& [scale, shift] = found.affine;
  Shape per_output(weight.shape().size(), Dim(1));
  per_output[0] = scale.size(0);
  const Tensor new_weight = cast(cast(weight, DType::f64) * reshape(scale, per_output), weight.dtype());
  const Tensor new_bias = bias.defined() ? cast(bias, DType::f64) * scale + shift : shift;

  const std::string& name = producer.input(1)->name;
  Value& w = add_derived_constant(graph, new_weight, name);
  Value& b = add_derived_constant(graph, cast(new_bias, weight.dtype()),
                                  bias.defined() ? producer.input(2)->name : name + ".bias");
  Node& fresh = graph.add_node({.op = *producer.op,
                                .inputs = {producer.inputs[0], &w, &b},
                                .attrs = producer.attrs,
                                .path = producer.path,
                                .before = &bn});
  replace(graph, bn, fresh.result());
  graph.remove(*found.producer);
}

}  // namespace

/// Folds an inference batch norm into the convolution or linear layer before it. One scale per output channel: groups
/// and depthwise convolutions need nothing special.
///
/// Before:  %c = conv2d(%x, %w, %b)            After:  %y = conv2d(%x, %w2, %b2)
///          %y = batch_norm(%c, ...)                   w2 = w * s, b2 = (b - mean) * s + beta,
///                                                     s = gamma / sqrt(var + eps), per output channel
bool fold_conv_batch_norm(Graph& graph, Report& report) {
  bool changed = false;
  for (Node& bn : graph.nodes()) {
    if (!bn.is("batch_norm") && !bn.is("batch_norm_train")) continue;
    const auto found = match(graph, bn);
    if (!found) {
      report.refused("fold_conv_batch_norm", bn, found.reason());
      continue;
    }
    report.applied("fold_conv_batch_norm", bn, "into %" + found->producer->result().name);
    fold(graph, bn, *found);
    changed = true;
  }
  return changed;
}

}  // namespace ingot
