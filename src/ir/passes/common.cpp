#include <algorithm>
#include <cmath>

#include "ingot/autograd.h"
#include "ingot/ops.h"
#include "ir/passes/passes.h"
#include "ops/attrs.h"

namespace ingot {

bool is_only_read_by(const Graph& graph, const Value& value, const Node& reader, size_t operand) {
  return value.users.size() == 1 && value.users[0] == Use{const_cast<Node*>(&reader), operand} &&
         !graph.is_output(value);
}

std::vector<Value*> trimmed(std::vector<Value*> operands) {
  while (!operands.empty() && operands.back() == nullptr) operands.pop_back();
  return operands;
}

bool is_conv(const Node& node) { return node.is("conv2d") || node.is("conv2d_fused"); }

ConvFusedAttrs attrs_of_conv(const Node& conv) {
  if (conv.is("conv2d_fused")) return conv.as<ConvFusedAttrs>();
  ConvFusedAttrs attrs;
  static_cast<Conv2dAttrs&>(attrs) = conv.as<Conv2dAttrs>();
  return attrs;
}

bool saved_are_read(const Node& node) {
  return std::any_of(node.outputs.begin() + static_cast<ptrdiff_t>(node.visible), node.outputs.end(),
                     [](const Value* v) { return !v->users.empty(); });
}

bool is_constant_or_absent(const Value* value) { return value == nullptr || value->is_constant(); }

std::optional<double> uniform_value(const Value* value) {
  if (value == nullptr || !value->is_constant() || value->constant.numel() == 0) return std::nullopt;
  const auto numbers = value->constant.to_vector<double>();
  const bool same = std::all_of(numbers.begin(), numbers.end(), [&](double v) { return v == numbers[0]; });
  return same ? std::optional(numbers[0]) : std::nullopt;
}

Tensor constant_of(const Node& node, size_t i) {
  const Value* value = node.input(i);
  return value != nullptr ? value->constant : Tensor();
}

Value& add_derived_constant(Graph& graph, const Tensor& data, const std::string& name) {
  const std::string wanted = name.ends_with(".folded") ? name : name + ".folded";
  std::string free = wanted;
  for (int i = 1; graph.find_constant(free) != nullptr; ++i) free = fmt::format("{}_{}", wanted, i);
  return graph.add_constant(data, free);
}

void replace(Graph& graph, Node& node, Value& with) {
  const std::string name = node.result().name;
  graph.replace_all_uses(node.result(), with);
  graph.remove(node);
  graph.rename(with, name);
}

Match<ChannelAffine> affine_of(const Node& bn) {
  for (size_t i = 1; i < bn.inputs.size(); ++i)
    if (!is_constant_or_absent(bn.inputs[i])) return "batch norm's statistics and parameters are not all constant";
  const NoGrad no_grad;
  const auto real = [&](size_t i) { return cast(constant_of(bn, i), DType::f64); };
  ChannelAffine out;
  out.scale = rsqrt(real(2) + bn.as<BatchNormAttrs>().eps);
  if (bn.input(3) != nullptr) out.scale = out.scale * real(3);
  out.shift = -real(1) * out.scale;
  if (bn.input(4) != nullptr) out.shift = out.shift + real(4);
  for (const Tensor& part : {out.scale, out.shift})
    for (const double v : part.to_vector<double>())
      if (!std::isfinite(v)) return "batch norm's scale or shift is not finite";
  return out;
}

}  // namespace ingot
