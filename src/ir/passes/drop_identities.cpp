#include <cmath>
#include <numeric>

#include "ir/passes/passes.h"
#include "ops/attrs.h"

namespace ingot {
namespace {

bool is_neutral(const Value* constant, double neutral) { return uniform_value(constant) == neutral; }

bool keeps_order(const Node& node) {
  const auto& dims = node.as<PermuteAttrs>().dims;
  for (size_t i = 0; i < dims.size(); ++i)
    if (dims[i] != static_cast<int64_t>(i)) return false;
  return true;
}

bool pads_nothing(const Node& node) {
  const auto zero = [](int64_t n) { return n == 0; };
  const auto& pads = node.as<PadAttrs>();
  return std::all_of(pads.before.begin(), pads.before.end(), zero) &&
         std::all_of(pads.after.begin(), pads.after.end(), zero);
}

/// The operand that the node hands on unchanged, or none. That its shape, dtype and layout stay is checked apart.
Value* passed_on(const Node& node) {
  Value *a = node.input(0), *b = node.input(1);
  // x - 0, x / 1 and their like; the shape and layout decide for those that only move or convert.
  if (node.is("reshape") || node.is("expand") || node.is("contiguous") || node.is("cast")) return a;
  if (node.is("slice") && node.as<SliceAttrs>().step == 1) return a;
  if (node.is("permute")) return keeps_order(node) ? a : nullptr;
  if (node.is("pad")) return pads_nothing(node) ? a : nullptr;
  if (node.is("dropout")) return node.as<DropoutAttrs>().p == 0 ? a : nullptr;
  if (node.is("clamp"))
    return node.as<ClampAttrs>().low == -INFINITY && node.as<ClampAttrs>().high == INFINITY ? a : nullptr;
  if (node.is("mul")) return is_neutral(b, 1) ? a : is_neutral(a, 1) ? b : nullptr;
  if (node.is("add")) return is_neutral(b, 0) ? a : is_neutral(a, 0) ? b : nullptr;
  if (node.is("div") || node.is("pow")) return is_neutral(b, 1) ? a : nullptr;
  if (node.is("sub")) return is_neutral(b, 0) ? a : nullptr;
  if (node.is("concat") && node.inputs.size() == 1) return a;
  // f(f(x)) = f(x)
  if ((node.is("relu") || node.is("abs") || node.is("floor")) && a->producer != nullptr && a->producer->op == node.op)
    return a;
  return nullptr;
}

}  // namespace

/// Removes what hands an operand on as it is: dropout with p = 0, x*1, x+0, a cast to the same dtype, a reshape to the
/// same shape, relu of a relu.
///
/// Before:  %a = mul(%x, f32(1))               After:  %y = relu(%x)
///          %y = relu(%a)
bool drop_identities(Graph& graph, Report& report) {
  bool changed = false;
  for (Node& node : graph.nodes()) {
    Value* same = passed_on(node);
    if (same == nullptr || !same_spec(same->spec, node.result().spec)) continue;
    if (saved_are_read(node)) {
      report.refused("drop_identities", node, "the values saved for its gradient are read");
      continue;
    }
    report.applied("drop_identities", node);
    graph.replace_all_uses(node.result(), *same);
    graph.remove(node);
    changed = true;
  }
  return changed;
}

}  // namespace ingot
