#include <algorithm>
#include <unordered_map>

#include "base/check.h"
#include "ingot/autograd.h"
#include "ir/node.h"
#include "tensor/impl.h"
#include "tensor/symbols.h"

namespace ingot {
namespace {

/// Turns calls into nodes.
class Tracer : public Recorder {
 public:
  Tracer(const NamedConstants& names, const SizeRanges& ranges) : ranges_(ranges) {
    for (const auto& [name, tensor] : names) names_.emplace(tensor.impl().get(), name);
  }

  bool traces() const override { return true; }

  void record(const Call& call) override {
    NewNode node{.op = call.op, .attrs = call.attrs, .path = current_module_path()};
    for (const Tensor& x : call.in) node.inputs.push_back(x.defined() ? &value_of(x) : nullptr);
    const Node& made = graph_.add_node(node);
    size_t i = 0;
    for (const auto results : {call.out, call.saved})
      for (const Tensor& x : results) made_.emplace(identity_of(x), &made.result(i++));
  }

  Tensor add_input(const InputSpec& input) {
    const Layout layout = input.layout.value_or(default_layout(input.shape.size()));
    for (const Dim d : input.shape)
      for (const std::string& symbol : symbols_in(d)) add_size(symbol);
    Tensor x = make_abstract(input.shape, input.dtype, layout);
    made_.emplace(identity_of(x), &graph_.add_input(input.name, spec_of(x)));
    return x;
  }

  Graph finish(const Tensors& outputs, const std::vector<std::string>& names) {
    CHECK(!outputs.empty(), "the traced function returns nothing");
    CHECK(names.empty() || names.size() == outputs.size(), "the function returns {} tensors, {} names are given",
          outputs.size(), names.size());
    for (size_t i = 0; i < outputs.size(); ++i) {
      CHECK(outputs[i].defined(), "result {} of the traced function is undefined", i);
      graph_.add_output(value_of(outputs[i]), names.empty() ? "" : names[i]);
    }
    return std::move(graph_);
  }

 private:
  void add_size(const std::string& symbol) {
    const auto range = ranges_.find(symbol);
    graph_.add_size(symbol, range != ranges_.end() ? range->second : SizeRange{.example = example_of(symbol)});
  }

  Value& value_of(const Tensor& x) {
    if (!x.is_abstract()) return constant_of(x);
    const auto it = made_.find(identity_of(x));
    CHECK(it != made_.end(), "a {} tensor without data comes from outside this trace", to_string(x.shape()));
    return *it->second;
  }

  Value& constant_of(const Tensor& x) {
    auto& [held, value] = constants_[x.impl().get()];
    if (value == nullptr) {
      const auto name = names_.find(x.impl().get());
      value = &graph_.add_constant(detach(x), name != names_.end() ? name->second : "");
      held = x;
    }
    return *value;
  }

  const SizeRanges& ranges_;
  Graph graph_;
  std::unordered_map<const TensorImpl*, std::string> names_;
  std::unordered_map<int64_t, Value*> made_;  // by identity
  // Held, so that no other tensor comes to stand at the same address.
  std::unordered_map<const TensorImpl*, std::pair<Tensor, Value*>> constants_;
};

/// Puts the gradients of parameters back: a traced backward leaves tensors without data there.
class GradientsKept {
 public:
  explicit GradientsKept(const NamedConstants& names) {
    for (const auto& [name, tensor] : names) kept_.emplace_back(tensor, tensor.grad());
  }
  ~GradientsKept() {
    for (auto& [tensor, grad] : kept_)
      if (Tensor now = tensor.grad(); now.impl() != grad.impl()) tensor.set_grad(grad);
  }

 private:
  std::vector<std::pair<Tensor, Tensor>> kept_;
};

Graph trace_once(const TracedFunction& fn, const std::vector<InputSpec>& inputs, const NamedConstants& names,
                 const TraceOptions& options) {
  Tracer tracer(names, options.ranges);
  const GradientsKept gradients(names);
  Tensors in;
  for (const InputSpec& input : inputs) in.push_back(tracer.add_input(input));
  Tensors out;
  {
    const RecorderScope scope(tracer);
    out = fn(in);
  }
  return tracer.finish(out, options.output_names);
}

std::vector<InputSpec> with_sizes(std::vector<InputSpec> inputs, const SymbolValues& values) {
  for (InputSpec& input : inputs)
    for (Dim& d : input.shape) d = substitute(d, values);
  return inputs;
}

int64_t example(const std::string& symbol, const TraceOptions& options) {
  const auto range = options.ranges.find(symbol);
  return range != options.ranges.end() ? range->second.example : example_of(symbol);
}

/// Another size than the example, in range: beside it, since far ones need not fit the function's other sizes. Not 1,
/// at which a concrete trace lacks what then does nothing, such as expand.
int64_t second_size(const SizeRange& range) {
  if (range.example < range.max) return range.example + 1;
  return range.example - 1 >= std::max<int64_t>(range.min, 2) ? range.example - 1 : range.example;
}

void check_at(const TracedFunction& fn, const std::vector<InputSpec>& inputs, const NamedConstants& names,
              const TraceOptions& options, const Graph& symbolic, const SymbolValues& values) {
  const Graph concrete = trace_once(fn, with_sizes(inputs, values), names, options);
  const auto difference = first_difference(at_sizes(symbolic, values), concrete);
  std::string sizes;
  for (const auto& [name, value] : values) sizes += fmt::format("{}{} = {}", sizes.empty() ? "" : ", ", name, value);
  CHECK(!difference,
        "the function does something else at {} than its trace says, so a decision in it depends on a size: {}", sizes,
        *difference);
}

}  // namespace

Traced trace(const TracedFunction& fn, const std::vector<InputSpec>& inputs, const NamedConstants& names,
             const TraceOptions& options) {
  SymbolValues values;
  std::vector<FixedSize> fixed;
  while (true) {
    try {
      return {trace_once(fn, with_sizes(inputs, values), names, options), std::move(fixed)};
    } catch (const UndecidedSize& e) {
      const size_t known = fixed.size();
      for (const std::string& symbol : e.symbols())
        if (values.try_emplace(symbol, example(symbol, options)).second)
          fixed.push_back({symbol, values[symbol], e.what()});
      if (fixed.size() == known) throw;
    }
  }
}

Traced check_trace(const TracedFunction& fn, const std::vector<InputSpec>& inputs, const NamedConstants& names,
                   const TraceOptions& options) {
  Traced traced = trace(fn, inputs, names, options);
  SymbolValues fixed, examples;
  for (const FixedSize& f : traced.fixed) fixed[f.symbol] = f.value;
  for (const auto& [name, range] : traced.graph.sizes()) examples[name] = range.example;
  const auto open = with_sizes(inputs, fixed);
  if (!examples.empty()) check_at(fn, open, names, options, traced.graph, examples);
  for (const auto& [name, range] : traced.graph.sizes()) {
    SymbolValues values = examples;
    values[name] = second_size(range);
    check_at(fn, open, names, options, traced.graph, values);
  }
  return traced;
}

}  // namespace ingot
