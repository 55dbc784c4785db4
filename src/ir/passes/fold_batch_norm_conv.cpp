#include <algorithm>

#include "ingot/autograd.h"
#include "ingot/ops.h"
#include "ir/passes/passes.h"
#include "ops/attrs.h"
#include "ops/defs.h"

namespace ingot {
namespace {

struct Found {
  Node* reader;  // conv2d or linear
  ChannelAffine affine;
  bool shifts;  // else the shift stays in front, as x + shift/scale: the scale alone passes through zero padding
};

bool all_zero(const Tensor& x) {
  const auto values = x.to_vector<double>();
  return std::all_of(values.begin(), values.end(), [](double v) { return v == 0; });
}
bool any_zero(const Tensor& x) {
  const auto values = x.to_vector<double>();
  return std::any_of(values.begin(), values.end(), [](double v) { return v == 0; });
}

Match<Found> match(const Graph& graph, const Node& bn) {
  const Value& y = bn.result();
  if (y.users.empty() || y.users[0].operand != 0) return "its result is not the input of a convolution or linear layer";
  Node* reader = y.users[0].node;
  if (!reader->is("conv2d") && !reader->is("linear"))
    return "its result is not the input of a convolution or linear layer";
  if (graph.is_output(y)) return "its result is an output of the graph";
  if (!is_only_read_by(graph, y, *reader, 0)) return "its result has other readers";
  if (reader->is("linear") && y.spec.shape.size() != 2)
    return "batch norm's channels are dimension 1, the linear layer's features the last";
  if (!reader->input(1)->is_constant() || !is_constant_or_absent(reader->input(2)))
    return "the weight or bias is not constant";
  const auto affine = affine_of(bn);
  if (!affine) return affine.reason();
  const bool padded = reader->is("conv2d") && !(reader->as<Conv2dAttrs>().padding == Pads(0));
  const bool shifts = !padded || all_zero(affine->shift);
  if (!shifts && any_zero(affine->scale)) return "a scale of 0 hides the shift, which cannot pass the zero padding";
  return Found{reader, *affine, shifts};
}

/// [C] spread over the weight's [O, C/groups, ...]: each output channel sees its group's part.
Tensor per_weight(const Tensor& per_channel, const Tensor& weight, int64_t groups) {
  const Dim outputs = weight.size(0), inputs = weight.size(1);
  const Tensor spread = expand(reshape(per_channel, {groups, 1, inputs}), {groups, outputs / groups, inputs});
  Shape shape(weight.shape().size(), Dim(1));
  shape[0] = outputs;
  shape[1] = inputs;
  return reshape(spread, shape);
}

Value& shifted_input(Graph& graph, Node& bn, const ChannelAffine& affine) {
  const Spec& x = bn.inputs[0]->spec;
  Shape shape(x.shape.size(), Dim(1));
  shape[1] = affine.shift.size(0);
  const Tensor offset = cast(reshape(affine.shift / affine.scale, shape), x.dtype);
  const Value* any = bn.input(4) != nullptr ? bn.input(4) : bn.input(1);
  Value& constant = add_derived_constant(graph, offset, any->name);
  return graph.add_node({.op = kAdd, .inputs = {bn.inputs[0], &constant}, .path = bn.path, .before = &bn}).result();
}

void fold(Graph& graph, Node& bn, const Found& found) {
  const NoGrad no_grad;
  Node& reader = *found.reader;
  const Tensor weight = constant_of(reader, 1), bias = constant_of(reader, 2), real = cast(weight, DType::f64);
  const int64_t groups = reader.is("conv2d") ? reader.as<Conv2dAttrs>().groups : 1;
  const std::string& name = reader.input(1)->name;

  Value& w =
      add_derived_constant(graph, cast(real * per_weight(found.affine.scale, weight, groups), weight.dtype()), name);
  Value* b = reader.input(2);
  if (found.shifts && !all_zero(found.affine.shift)) {
    std::vector<int64_t> all_but_outputs;
    for (int64_t d = 1; d < weight.rank(); ++d) all_but_outputs.push_back(d);
    Tensor sum_of_shifts = sum(real * per_weight(found.affine.shift, weight, groups), all_but_outputs);
    if (bias.defined()) sum_of_shifts = sum_of_shifts + cast(bias, DType::f64);
    b = &add_derived_constant(graph, cast(sum_of_shifts, weight.dtype()), bias.defined() ? b->name : name + ".bias");
  }
  Value& x = found.shifts ? *bn.inputs[0] : shifted_input(graph, bn, found.affine);
  Node& fresh = graph.add_node(
      {.op = *reader.op, .inputs = {&x, &w, b}, .attrs = reader.attrs, .path = reader.path, .before = &reader});
  replace(graph, reader, fresh.result());
  graph.remove(bn);
}

}  // namespace

/// Folds an inference batch norm into the convolution or linear layer after it. What the padding adds is 0 after batch
/// norm, so a shift can pass only where there is none; otherwise it stays in front.
///
/// Before:  %n = batch_norm(%x, ...)           After:  %y = conv2d(%x, %w2, %b2)
///          %y = conv2d(%n, %w, %b)                    w2[o,c] = w[o,c] * s[c], b2[o] = b[o] + sum_c w[o,c] * t[c]
///
/// With padding:                               After:  %a = add(%x, t/s)
///                                                     %y = conv2d(%a, %w2, %b)
bool fold_batch_norm_conv(Graph& graph, Report& report) {
  bool changed = false;
  for (Node* bn : graph.nodes_of("batch_norm")) {
    const auto found = match(graph, *bn);
    if (!found) {
      report.refused("fold_batch_norm_conv", *bn, found.reason());
      continue;
    }
    report.applied("fold_batch_norm_conv", *bn,
                   found->shifts ? "scale and shift" : "the scale; the shift stays before the padding");
    fold(graph, *bn, *found);
    changed = true;
  }
  return changed;
}

}  // namespace ingot
