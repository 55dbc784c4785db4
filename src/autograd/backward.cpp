#include <algorithm>
#include <map>
#include <unordered_map>

#include "autograd/tape.h"
#include "ingot/autograd.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

// Lets an input be told from the same tensor elsewhere in the graph, when an op's gradient goes through its expansion.
const OpDef kAlias{
    .name = "alias",
    .infer = [](const InferArgs& a) { return Results(a.in[0]); },
    .view = [](const ViewArgs& a) -> std::optional<View> {
      View view;
      for (int i = 0; i < a.in.rank; ++i) view.strides.push_back(a.in.strides[i]);
      return view;
    },
    .vjp = [](const VjpArgs& a) { return Tensors{a.grad[0]}; },
};

/// "[op] path: ", as apply() begins its errors.
std::string prefix_of(const GradNode& node) {
  const std::string path = path_text(node.path);
  return fmt::format("[{}] {}{}", node.op->name, path, path.empty() ? "" : ": ");
}

const Tensor& checked(const SavedTensor& saved, const GradNode& node) {
  if (saved.tensor.defined() && saved.tensor.impl()->storage)
    CHECK(saved.tensor.impl()->storage->version() == saved.version,
          "{}a {} tensor that the gradient needs was overwritten after it was used", prefix_of(node),
          to_string(saved.tensor.shape()));
  return saved.tensor;
}

/// The kept tensors of a node, spread out to the places that VjpArgs shows them at.
struct Unpacked {
  Tensors in, out, saved;

  explicit Unpacked(GradNode& node) : in(node.edges.size()), out(node.visible) {
    const Keeps& keeps = node.op->keeps;
    size_t at = 0;
    if (node.op->vjp == nullptr) {
      for (Tensor& x : in) x = checked(node.kept[at++], node);
      return;
    }
    for (const int i : keeps.inputs) {
      const Tensor& x = checked(node.kept[at++], node);
      if (static_cast<size_t>(i) < in.size()) in[static_cast<size_t>(i)] = x;
    }
    for (const int i : keeps.outputs)
      out[static_cast<size_t>(i)] = with_record(checked(node.kept[at++], node), node, i);
    for (const int i : keeps.saved) {
      if (saved.size() <= static_cast<size_t>(i)) saved.resize(static_cast<size_t>(i) + 1);
      saved[static_cast<size_t>(i)] = checked(node.kept[at++], node);
    }
  }

  static Tensor with_record(const Tensor& x, GradNode& node, int index) {
    Tensor y = detach(x);
    auto record = std::make_shared<GradRecord>();
    record->node = node.shared_from_this();
    record->index = static_cast<uint32_t>(index);
    y.impl()->grad = std::move(record);
    return y;
  }
};

class Backward {
 public:
  Backward(const TapeOptions& options, const GradOps& ops) : options_(options), ops_(ops) {}

  Tensors run(std::span<const Tensor> outputs, std::span<const Tensor> grads, const std::span<const Tensor>* inputs) {
    if (inputs != nullptr) set_targets(*inputs);
    collect(outputs);
    mark_needed();
    count_leaves();
    if (options_.on_start)
      options_.on_start(
          [this](const Tensor& leaf) { return leaf.impl()->grad && leaves_.contains(leaf.impl()->grad.get()); });
    for (size_t i = 0; i < outputs.size(); ++i) seed(outputs[i], grads[i]);
    const GradMode mode(options_.create_graph);
    for (auto it = order_.rbegin(); it != order_.rend(); ++it) visit(**it, states_.at(it->get()));
    Tensors found;
    if (inputs != nullptr)
      for (const Tensor& x : *inputs) found.push_back(captured_[key_of(*x.impl()->grad)]);
    return found;
  }

 private:
  struct State {
    Tensors grads;
    bool needed = false;
  };
  // A leaf is named by its record, another tensor by the call that made it and which result it is.
  using Key = std::pair<const void*, uint32_t>;
  static Key key_of(const GradRecord& record) {
    return record.node ? Key{record.node.get(), record.index} : Key{&record, 0};
  }

  void set_targets(std::span<const Tensor> inputs) {
    targeted_ = true;
    for (const Tensor& x : inputs) {
      CHECK(x.requires_grad(), "a {} input of grad() does not require a gradient", to_string(x.shape()));
      captured_[key_of(*x.impl()->grad)];
    }
  }

  void collect(std::span<const Tensor> outputs) {
    std::vector<std::shared_ptr<GradNode>> stack;
    const auto reach = [&](const GradRecord* record) {
      if (record != nullptr && record->node && states_.try_emplace(record->node.get()).second)
        stack.push_back(record->node);
    };
    for (const Tensor& y : outputs) {
      CHECK(y.defined() && y.requires_grad(), "backward needs a result that depends on a tensor with requires_grad");
      reach(y.impl()->grad.get());
    }
    while (!stack.empty()) {
      order_.push_back(std::move(stack.back()));
      stack.pop_back();
      const GradNode& node = *order_.back();
      CHECK(!node.released,
            "backward runs a second time through [{}] {}, whose saved tensors are freed; pass retain_graph the first "
            "time",
            node.op->name, path_text(node.path));
      for (const auto& edge : node.edges) reach(edge.get());
    }
    std::sort(order_.begin(), order_.end(), [](const auto& a, const auto& b) { return a->sequence < b->sequence; });
  }

  bool flows(const GradRecord* edge) const {
    if (edge == nullptr) return false;
    if (!targeted_) return true;
    if (captured_.contains(key_of(*edge))) return true;
    return edge->node && states_.at(edge->node.get()).needed;
  }

  void mark_needed() {  // inputs of a call come before it in order_
    for (const auto& node : order_)
      states_.at(node.get()).needed =
          std::any_of(node->edges.begin(), node->edges.end(), [&](const auto& e) { return flows(e.get()); });
  }

  void count_leaves() {
    if (targeted_) return;
    for (const auto& node : order_)
      for (const auto& edge : node->edges)
        if (edge && !edge->node) ++leaves_[edge.get()];
  }

  void seed(const Tensor& output, const Tensor& grad) {
    CHECK(grad.defined() && grad.shape() == output.shape(), "the gradient {} does not match the result {}",
          grad.defined() ? to_string(grad.shape()) : "none", to_string(output.shape()));
    GradRecord& record = *output.impl()->grad;
    if (!record.node && !targeted_) ++leaves_[&record];
    arrive(record, grad);
  }

  void arrive(GradRecord& record, Tensor grad) {
    if (!record.node) return arrive_at_leaf(record, std::move(grad));
    State& state = states_.at(record.node.get());
    if (!grad.defined()) return;
    if (state.grads.empty()) state.grads.resize(record.node->visible);
    add_to(state.grads[record.index], std::move(grad));
  }

  void add_to(Tensor& sum, Tensor grad) { sum = sum.defined() ? ops_.add(sum, grad) : std::move(grad); }

  void arrive_at_leaf(GradRecord& record, Tensor grad) {
    if (targeted_) {
      if (const auto it = captured_.find(key_of(record)); it != captured_.end() && grad.defined())
        add_to(it->second, std::move(grad));
      return;
    }
    if (grad.defined()) accumulate(record, std::move(grad));
    if (--leaves_.at(&record) > 0) return;
    for (const auto& hook : record.ready_hooks)
      if (hook) hook(record.grad);
  }

  void accumulate(GradRecord& record, Tensor grad) {
    if (options_.create_graph) {
      add_to(record.grad, std::move(grad));
    } else if (record.grad.defined()) {
      ops_.add_into(record.grad, grad);
    } else {
      record.grad = ops_.own(std::move(grad), record.layout);
    }
  }

  void visit(GradNode& node, State& state) {
    if (targeted_)
      for (uint32_t i = 0; i < state.grads.size(); ++i)
        if (const auto it = captured_.find({&node, i}); it != captured_.end()) it->second = state.grads[i];
    if (!state.needed) return;
    Tensors grads;
    if (std::any_of(state.grads.begin(), state.grads.end(), [](const Tensor& g) { return g.defined(); }))
      grads = gradients(node, state.grads);
    grads.resize(node.edges.size());
    state.grads.clear();
    for (size_t i = 0; i < node.edges.size(); ++i)
      if (flows(node.edges[i].get())) arrive(*node.edges[i], std::move(grads[i]));
    if (!options_.retain_graph && !options_.create_graph) {
      node.kept.clear();
      node.released = true;
    }
  }

  Tensors gradients(GradNode& node, std::span<const Tensor> grad) {
    const PathScope path(node.path);
    CHECK(node.op->vjp != nullptr || node.op->expand != nullptr, "{}has no gradient; it does not differentiate twice",
          prefix_of(node));
    const Unpacked kept(node);
    if (node.op->vjp == nullptr) return through_expansion(node, kept.in, grad);
    const size_t count = node.edges.size();
    std::unique_ptr<bool[]> wants(new bool[count]);
    for (size_t i = 0; i < count; ++i) wants[i] = flows(node.edges[i].get());
    return node.op->vjp({.in = kept.in,
                         .out = kept.out,
                         .saved = kept.saved,
                         .grad = grad,
                         .in_specs = node.in_specs,
                         .wants = {wants.get(), count},
                         .attrs = node.attrs});
  }

  Tensors through_expansion(const GradNode& node, const Tensors& in, std::span<const Tensor> grad) {
    const GradMode record(true);
    Tensors aliases(in.size()), wanted, outputs, output_grads;
    for (size_t i = 0; i < in.size(); ++i) {
      if (!in[i].defined()) continue;
      if (!flows(node.edges[i].get())) {
        aliases[i] = detach(in[i]);
      } else {
        aliases[i] = options_.create_graph ? apply(kAlias, {in[i]}) : detach(in[i]).set_requires_grad();
        wanted.push_back(aliases[i]);
      }
    }
    const Tensors results = node.op->expand({aliases, node.attrs});
    for (size_t i = 0; i < grad.size(); ++i)
      if (grad[i].defined() && results[i].requires_grad())
        outputs.push_back(results[i]), output_grads.push_back(grad[i]);
    Tensors out(in.size());
    if (outputs.empty()) return out;
    const Tensors found = run_grad(outputs, wanted, output_grads, {.create_graph = options_.create_graph}, ops_);
    size_t at = 0;
    for (size_t i = 0; i < in.size(); ++i)
      if (in[i].defined() && flows(node.edges[i].get())) out[i] = found[at++];
    return out;
  }

  const TapeOptions& options_;
  const GradOps& ops_;
  bool targeted_ = false;
  std::vector<std::shared_ptr<GradNode>> order_;  // by sequence
  std::unordered_map<const GradNode*, State> states_;
  std::unordered_map<const GradRecord*, int> leaves_;  // contributions still to come
  std::map<Key, Tensor> captured_;
};

}  // namespace

void run_backward(std::span<const Tensor> outputs, std::span<const Tensor> grads, const TapeOptions& options,
                  const GradOps& ops) {
  Backward(options, ops).run(outputs, grads, nullptr);
}

Tensors run_grad(std::span<const Tensor> outputs, std::span<const Tensor> inputs, std::span<const Tensor> grads,
                 const TapeOptions& options, const GradOps& ops) {
  return Backward(options, ops).run(outputs, grads, &inputs);
}

}  // namespace ingot
