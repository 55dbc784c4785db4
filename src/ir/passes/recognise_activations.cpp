#include <cmath>
#include <numbers>

#include "ir/passes/passes.h"
#include "ops/attrs.h"
#include "ops/defs.h"

namespace ingot {
namespace {

/// What an operand is made of, if by this op.
const Node* made_by(const Value* value, std::string_view op) {
  return value != nullptr && value->producer != nullptr && value->producer->is(op) ? value->producer : nullptr;
}

bool is_near(std::optional<double> value, double wanted) {
  constexpr double kTolerance = 1e-5;  // exporters write constants as f32
  return value && std::fabs(*value - wanted) <= kTolerance * std::fabs(wanted);
}

/// The operand beside a constant of this value, for ops in which both may change places.
const Value* beside(const Node* node, double constant) {
  if (node == nullptr || node->inputs.size() != 2) return nullptr;
  for (size_t i = 0; i < 2; ++i)
    if (is_near(uniform_value(node->inputs[i]), constant)) return node->inputs[1 - i];
  return nullptr;
}

/// x of relu6(x + 3).
const Value* shifted_relu6(const Value* value) {
  const Node* relu6 = made_by(value, "relu6");
  return relu6 != nullptr ? beside(made_by(relu6->inputs[0], "add"), 3) : nullptr;
}

/// x where `node` is value / divisor or value * (1 / divisor).
const Value* divided(const Node& node, double divisor) {
  if (node.is("div") && is_near(uniform_value(node.inputs[1]), divisor)) return node.inputs[0];
  return node.is("mul") ? beside(&node, 1 / divisor) : nullptr;
}

/// x of 1 + erf(x / sqrt(2)).
const Value* gelu_factor(const Value* value) {
  const Value* sum = beside(made_by(value, "add"), 1);
  const Node* erf = made_by(sum, "erf");
  return erf != nullptr && erf->inputs[0]->producer != nullptr ? divided(*erf->inputs[0]->producer, std::numbers::sqrt2)
                                                               : nullptr;
}

/// x of a * b where one is x and the other `factor` of it.
const Value* times_own(const Node& mul, const Value* (*factor)(const Value*)) {
  for (size_t i = 0; i < 2; ++i)
    if (mul.inputs[i] == factor(mul.inputs[1 - i])) return mul.inputs[i];
  return nullptr;
}

const Value* argument(const Value* value, std::string_view op) {
  const Node* node = made_by(value, op);
  return node != nullptr ? node->inputs[0] : nullptr;
}

struct Found {
  const OpDef* op;
  const Value* x;
};

std::optional<Found> found(const OpDef& op, const Value* x) {
  return x != nullptr ? std::optional(Found{&op, x}) : std::nullopt;
}

std::optional<Found> of_product(const Node& mul) {
  if (const auto silu = found(kSilu, times_own(mul, [](const Value* v) { return argument(v, "sigmoid"); })))
    return silu;
  if (const auto swish = found(kHardswish, times_own(mul, [](const Value* v) { return argument(v, "hardsigmoid"); })))
    return swish;
  // (x * (1 + erf)) * 0.5, x * ((1 + erf) * 0.5), (x * 0.5) * (1 + erf)
  if (const Node* product = beside(&mul, 0.5) != nullptr ? beside(&mul, 0.5)->producer : nullptr;
      product != nullptr && product->is("mul"))
    if (const auto gelu = found(kGelu, times_own(*product, gelu_factor))) return gelu;
  if (const auto gelu = found(kGelu, times_own(mul, [](const Value* v) {
                                const Value* factor = beside(made_by(v, "mul"), 0.5);
                                return factor != nullptr ? gelu_factor(factor) : nullptr;
                              })))
    return gelu;
  for (size_t i = 0; i < 2; ++i)
    if (const Value* x = gelu_factor(mul.inputs[i]);
        x != nullptr && beside(made_by(mul.inputs[1 - i], "mul"), 0.5) == x)
      return Found{&kGelu, x};
  return std::nullopt;
}

std::optional<Found> match(const Node& node) {
  if (node.is("clamp") && node.as<ClampAttrs>().low == 0) {
    if (node.as<ClampAttrs>().high == 6) return Found{&kRelu6, node.inputs[0]};
    if (node.as<ClampAttrs>().high == INFINITY) return Found{&kRelu, node.inputs[0]};
  }
  if (node.is("maximum"))
    for (size_t i = 0; i < 2; ++i)
      if (uniform_value(node.inputs[i]) == 0.0) return Found{&kRelu, node.inputs[1 - i]};
  if (const Value* six = node.is("div") || node.is("mul") ? divided(node, 6) : nullptr) {
    if (const auto hardsigmoid = found(kHardsigmoid, shifted_relu6(six))) return hardsigmoid;
    const Node* product = made_by(six, "mul");  // x * relu6(x + 3) / 6
    if (product != nullptr)
      if (const auto swish = found(kHardswish, times_own(*product, shifted_relu6))) return swish;
  }
  return node.is("mul") ? of_product(node) : std::nullopt;
}

}  // namespace

/// Names activations that exporters write out: clips as relu and relu6, x * sigmoid(x) as silu, relu6(x + 3) / 6 as
/// hardsigmoid, x times that as hardswish, x (1 + erf(x / sqrt(2))) / 2 as gelu.
///
/// Before:  %s = sigmoid(%x)                   After:  %y = silu(%x)
///          %y = mul(%x, %s)
bool recognise_activations(Graph& graph, Report& report) {
  bool changed = false;
  for (Node& node : graph.nodes()) {
    const auto activation = match(node);
    if (!activation || !same_spec(activation->x->spec, node.result().spec)) continue;
    report.applied("recognise_activations", node, std::string(activation->op->name));
    Node& fresh = graph.add_node(
        {.op = *activation->op, .inputs = {const_cast<Value*>(activation->x)}, .path = node.path, .before = &node});
    replace(graph, node, fresh.result());
    changed = true;
  }
  return changed;
}

}  // namespace ingot
