#include "diagnose/summary.h"

#include <algorithm>

#include "ingot/graph.h"
#include "ir/node.h"

namespace ingot {
namespace {

int64_t elements(const Shape& shape) { return numel(shape).value(); }

/// Multiplications with their additions; nothing for ops that do not count.
std::optional<int64_t> macs_of(const Node& node) {
  const auto result = [&] { return elements(node.result().spec.shape); };
  const auto operand = [&](size_t i) -> const Shape& { return node.inputs[i]->spec.shape; };
  // Each result of a convolution or linear layer reads one weight slice [I/groups, KH, KW] or [I].
  const bool weighted = node.is("conv2d") || node.is("conv2d_fused") || node.is("linear") || node.is("linear_fused");
  if (weighted) return result() * (elements(operand(1)) / std::max<int64_t>(operand(1)[0].value(), 1));
  if (node.is("matmul")) return result() * operand(0)[operand(0).size() - 1].value();
  return std::nullopt;
}

bool lies_in(const std::string& path, const std::string& module) {
  return module.empty() || path == module || (path.starts_with(module) && path[module.size()] == '.');
}

/// Records shapes while the module is traced.
class Shapes {
 public:
  Shapes(Module& module, Summary& summary) {
    const NamedModules modules = module.named_modules();
    summary.rows.resize(modules.size());
    for (size_t i = 0; i < modules.size(); ++i) {
      const auto& [path, child] = modules[i];
      SummaryRow& row = summary.rows[i];
      row.path = path, row.type = child->type_name();
      row.depth = path.empty() ? 0 : 1 + static_cast<int>(std::count(path.begin(), path.end(), '.'));
      for (const auto& [name, tensor] : child->named_parameters()) row.parameters += tensor.numel().value();
      handles_.push_back(child->on_forward([&row](const Module&, const Tensors&, Tensors& outputs) {
        ++row.calls;
        row.outputs.clear();
        for (const Tensor& x : outputs) row.outputs.push_back(x.shape());
      }));
    }
  }

 private:
  std::vector<HookHandle> handles_;
};

void add_node(const Node& node, Summary& summary) {
  const bool view = node.op->view != nullptr;
  for (size_t i = 0; i < node.visible && !view; ++i) {
    const Spec& spec = node.result(i).spec;
    summary.activation_bytes += elements(spec.shape) * static_cast<int64_t>(size_of(spec.dtype));
  }
  const auto macs = macs_of(node);
  if (!macs) {
    if (!view) ++summary.uncounted[std::string(node.op->name)];
    return;
  }
  summary.macs += *macs;
  for (SummaryRow& row : summary.rows)
    if (lies_in(node.path, row.path)) row.macs += *macs;
}

}  // namespace

Summary summarise(Module& module, const Shape& image) {
  Summary summary{.input = {1, image[0], image[1], image[2]}};
  const NoGrad no_grad;
  for (const Tensor& x : module.parameters()) {
    summary.parameters += x.numel().value();
    if (x.requires_grad()) summary.trainable += x.numel().value();
  }
  for (const Tensor& x : module.buffers()) summary.buffers += x.numel().value();
  const Shapes recorded(module, summary);
  const auto call = [&](const Tensors& in) { return module.call(in); };
  const Traced traced = trace(call, {{.name = "image", .shape = summary.input}}, module.named_tensors());
  for (const Node& node : traced.graph.nodes()) add_node(node, summary);
  return summary;
}

}  // namespace ingot
