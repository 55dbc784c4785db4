#include <algorithm>
#include <unordered_map>

#include "base/check.h"
#include "ingot/autograd.h"
#include "ir/node.h"
#include "ir/text.h"
#include "tensor/symbols.h"

namespace ingot {
namespace {

/// Keeps what a call saved for its gradient, which apply does not return.
class SavedValues : public Recorder {
 public:
  void record(const Call& call) override { saved.assign(call.saved.begin(), call.saved.end()); }
  Tensors saved;
};

class Interpreter {
 public:
  Interpreter(const Graph& graph, const ValueObserver& seen) : graph_(graph), seen_(seen) {
    for (const auto& output : graph.outputs()) ++left_[output.value];
  }

  Tensors run(const Tensors& inputs) {
    std::vector<Shape> shapes;
    for (const Tensor& x : inputs) shapes.push_back(x.shape());
    sizes_ = bind_sizes(graph_, shapes);
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Value& value = *graph_.inputs()[i];
      CHECK(inputs[i].dtype() == value.spec.dtype, "input '{}' is {}, the graph wants {}", value.name,
            name_of(inputs[i].dtype()), name_of(value.spec.dtype));
      keep(value, inputs[i]);
    }
    const NoGrad no_grad;
    for (const Node& node : graph_.nodes()) run(node);
    Tensors out;
    for (const auto& output : graph_.outputs()) out.push_back(data_of(*output.value));
    return out;
  }

 private:
  Tensors call(const Node& node) const {
    Tensors in;
    for (const Value* value : node.inputs) in.push_back(value != nullptr ? data_of(*value) : Tensor());
    std::optional<ModuleScope> path;
    if (!node.path.empty()) path.emplace(node.path);
    const Attrs attrs = substitute(node.attrs, sizes_);
    const std::span saved(node.outputs.begin() + static_cast<ptrdiff_t>(node.visible), node.outputs.end());
    if (std::all_of(saved.begin(), saved.end(), [](const Value* v) { return v->users.empty(); }))
      return apply_all(*node.op, in, attrs);
    SavedValues recorder;
    const RecorderScope scope(recorder);
    Tensors out = apply_all(*node.op, in, attrs);
    out.insert(out.end(), recorder.saved.begin(), recorder.saved.end());
    return out;
  }

  void run(const Node& node) {
    const Tensors out = call(node);
    for (size_t i = 0; i < out.size(); ++i) {
      if (seen_) seen_(node.result(i), out[i]);
      keep(node.result(i), out[i]);
    }
    for (const Value* value : node.inputs)
      if (value != nullptr && !value->is_constant() && --left_.at(value) == 0) data_.erase(value);
  }

  void keep(const Value& value, const Tensor& data) {
    left_[&value] += value.users.size();
    if (left_[&value] > 0) data_[&value] = data;
  }
  const Tensor& data_of(const Value& value) const { return value.is_constant() ? value.constant : data_.at(&value); }

  const Graph& graph_;
  const ValueObserver& seen_;
  SymbolValues sizes_;
  std::unordered_map<const Value*, Tensor> data_;
  std::unordered_map<const Value*, size_t> left_;  // reads that are still to come
};

/// Gives a value to a symbol that stands alone; others are checked when all are known.
void bind(SymbolValues& values, Dim dim, int64_t size) {
  const auto symbols = symbols_in(dim);
  if (symbols.size() == 1 && dim == Dim::symbol(symbols[0], size)) values.try_emplace(symbols[0], size);
}

}  // namespace

SymbolValues bind_sizes(const Graph& graph, std::span<const Shape> shapes) {
  const auto& inputs = graph.inputs();
  CHECK(shapes.size() == inputs.size(), "the graph has {} inputs, {} are given", inputs.size(), shapes.size());
  SymbolValues values;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Shape& wanted = inputs[i]->spec.shape;
    CHECK(wanted.size() == shapes[i].size(), "input '{}' is {}, the graph wants {}", inputs[i]->name,
          to_string(shapes[i]), to_string(wanted));
    for (size_t d = 0; d < wanted.size(); ++d) bind(values, wanted[d], shapes[i][d].value());
  }
  for (size_t i = 0; i < inputs.size(); ++i)
    for (size_t d = 0; d < shapes[i].size(); ++d)
      CHECK(substitute(inputs[i]->spec.shape[d], values) == shapes[i][d], "input '{}' is {}, the graph wants {}",
            inputs[i]->name, to_string(shapes[i]), to_string(inputs[i]->spec.shape));
  for (const auto& [name, range] : graph.sizes()) {
    const auto value = values.find(name);
    CHECK(value != values.end(), "no input's shape decides the size '{}'", name);
    CHECK(value->second >= range.min && value->second <= range.max, "{} = {} is outside {}..{}", name, value->second,
          range.min, range.max);
  }
  return values;
}

Tensors interpret(const Graph& graph, const Tensors& inputs, const ValueObserver& seen) {
  return Interpreter(graph, seen).run(inputs);
}

}  // namespace ingot
