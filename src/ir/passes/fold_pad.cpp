#include <algorithm>

#include "ir/passes/passes.h"
#include "ops/attrs.h"

namespace ingot {
namespace {

Pads pads_of(const PadAttrs& pad) { return {pad.before[2], pad.before[3], pad.after[2], pad.after[3]}; }

Pads sum_of(const Pads& a, const Pads& b) {
  return {a.top + b.top, a.left + b.left, a.bottom + b.bottom, a.right + b.right};
}

Match<Attrs> match(const Graph& graph, const Node& pad) {
  const auto& attrs = pad.as<PadAttrs>();
  const Value& y = pad.result();
  const Node* reader = y.users.empty() ? nullptr : y.users[0].node;
  if (reader == nullptr || y.users[0].operand != 0 || !(reader->is("conv2d") || reader->is("avg_pool2d")))
    return "its result is not the input of a convolution or average pool";
  if (graph.is_output(y)) return "its result is an output of the graph";
  if (!is_only_read_by(graph, y, *reader, 0)) return "its result has other readers";
  if (attrs.value != 0) return fmt::format("it pads with {}, a convolution with 0", attrs.value);
  for (size_t d = 0; d < 2; ++d)
    if (attrs.before[d] != 0 || attrs.after[d] != 0) return "it pads samples or channels";
  const Pads pads = pads_of(attrs);
  if (std::min({pads.top, pads.left, pads.bottom, pads.right}) < 0) return "it cuts instead of padding";
  if (reader->is("conv2d")) {
    Conv2dAttrs conv = reader->as<Conv2dAttrs>();
    conv.padding = sum_of(conv.padding, pads);
    return Attrs(conv);
  }
  PoolAttrs pool = reader->as<PoolAttrs>();
  if (pool.ceil_mode) return "the pool's last windows depend on its own padding (ceil_mode)";
  // Where the pool itself pads without counting, one attribute cannot tell both kinds of padding apart.
  if (!pool.count_include_pad && !(pool.padding == Pads(0))) return "the pool does not count its own padding";
  pool.padding = sum_of(pool.padding, pads);
  const auto& [top, left, bottom, right] = pool.padding;
  if (2 * std::max(top, bottom) > pool.kernel.h || 2 * std::max(left, right) > pool.kernel.w)
    return "a pool pads by half of its window at most";
  pool.count_include_pad = true;
  return Attrs(pool);
}

}  // namespace

/// Folds zero padding into the convolution or average pool that reads it. A pool then counts the padded places, as it
/// did when they were part of its input.
///
/// Before:  %p = pad(%x) {1, 1, 1, 1}          After:  %y = conv2d(%x, %w) {padding=[1, 1, 1, 1]}
///          %y = conv2d(%p, %w)
bool fold_pad(Graph& graph, Report& report) {
  bool changed = false;
  for (Node* pad : graph.nodes_of("pad")) {
    const auto attrs = match(graph, *pad);
    if (!attrs) {
      report.refused("fold_pad", *pad, attrs.reason());
      continue;
    }
    Node& reader = *pad->result().users[0].node;
    report.applied("fold_pad", *pad, "into %" + reader.result().name);
    std::vector<Value*> inputs = reader.inputs;
    inputs[0] = pad->inputs[0];
    Node& fresh =
        graph.add_node({.op = *reader.op, .inputs = inputs, .attrs = *attrs, .path = reader.path, .before = &reader});
    replace(graph, reader, fresh.result());
    graph.remove(*pad);
    changed = true;
  }
  return changed;
}

}  // namespace ingot
