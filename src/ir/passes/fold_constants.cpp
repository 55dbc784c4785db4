#include <algorithm>
#include <cmath>
#include <limits>

#include "ingot/autograd.h"
#include "ingot/ops.h"
#include "ir/passes/passes.h"

namespace ingot {
namespace {

constexpr int64_t kSmall = 1 << 20;  // bytes that any result may have

int64_t bytes_of(const Spec& spec) { return numel(spec.shape).value() * static_cast<int64_t>(size_of(spec.dtype)); }

bool is_symbolic(const Attrs& attrs) {
  if (!attrs) return false;
  return std::any_of(attrs.type()->fields.begin(), attrs.type()->fields.end(), [&](const auto& f) {
    const AttrValue value = attrs.field(f.name);
    if (const Dim* dim = std::get_if<Dim>(&value)) return !dim->is_number();
    const auto* dims = std::get_if<std::vector<Dim>>(&value);
    return dims != nullptr && std::any_of(dims->begin(), dims->end(), [](Dim d) { return !d.is_number(); });
  });
}

bool is_candidate(const Node& node) {
  return std::all_of(node.inputs.begin(), node.inputs.end(), is_constant_or_absent) && !is_symbolic(node.attrs) &&
         std::all_of(node.outputs.begin(), node.outputs.end(),
                     [](const Value* v) { return is_concrete(v->spec.shape); });
}

template <class T>
void flush_denormals(Tensor& x) {
  T* data = x.mutable_data<T>();
  std::for_each(data, data + x.numel().value(), [](T& v) {
    if (std::fabs(v) < std::numeric_limits<T>::min()) v = 0;
  });
}

/// A copy of its own in the layout that the graph expects, without denormals, which are slow wherever they are read.
Tensor settled(const Tensor& x, const Spec& spec) {
  Tensor out = empty(spec.shape, spec.dtype, spec.layout);
  copy_into(out, x);
  if (spec.dtype == DType::f32) flush_denormals<float>(out);
  if (spec.dtype == DType::f64) flush_denormals<double>(out);
  return out;
}

Match<Tensors> evaluate(const Node& node) {
  if (saved_are_read(node)) return "the values saved for its gradient are read";
  int64_t in = 0, out = 0;
  for (const Value* value : node.inputs) in += value != nullptr ? bytes_of(value->spec) : 0;
  for (size_t i = 0; i < node.visible; ++i) out += bytes_of(node.result(i).spec);
  if (out > std::max(kSmall, 2 * in)) return fmt::format("the results have {} bytes, the operands {}", out, in);
  const NoGrad no_grad;
  Tensors operands;
  for (size_t i = 0; i < node.inputs.size(); ++i) operands.push_back(constant_of(node, i));
  Tensors results = apply_all(*node.op, operands, node.attrs);
  for (size_t i = 0; i < results.size(); ++i) results[i] = settled(results[i], node.result(i).spec);
  return results;
}

}  // namespace

/// Computes what depends on constants only.
///
/// Before:  %a = add(@w, @v)                   After:  %y = mul(%x, @add)
///          %y = mul(%x, %a)
bool fold_constants(Graph& graph, Report& report) {
  bool changed = false;
  for (Node& node : graph.nodes()) {
    if (!is_candidate(node)) continue;
    const auto results = evaluate(node);
    if (!results) {
      report.refused("fold_constants", node, results.reason());
      continue;
    }
    for (size_t i = 0; i < results->size(); ++i) {
      const Tensor& data = (*results)[i];
      Value& constant =
          data.rank() == 0 ? graph.add_constant(data) : add_derived_constant(graph, data, node.result(i).name);
      graph.replace_all_uses(node.result(i), constant);
    }
    report.applied("fold_constants", node);
    graph.remove(node);
    changed = true;
  }
  return changed;
}

}  // namespace ingot
