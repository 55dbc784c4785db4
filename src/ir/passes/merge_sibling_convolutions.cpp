#include <algorithm>
#include <unordered_map>

#include "ir/passes/passes.h"
#include "ops/attrs.h"
#include "ops/defs.h"

namespace ingot {
namespace {

/// Why a convolution has no siblings to merge with; empty where it may have.
std::string refusal_of(const Node& conv) {
  const Shape& weight = conv.inputs[1]->spec.shape;
  if (!conv.inputs[1]->is_constant()) return "its weight is not constant";
  if (!(weight[2] == 1 && weight[3] == 1)) return "it is not 1x1, and larger ones gain nothing together";
  if (attrs_of_conv(conv).groups != 1) return "it has groups";
  return "";
}

class SiblingMerger {
 public:
  SiblingMerger(Graph& graph, Report& report) : graph_(graph), report_(report) {
    for (const Node& node : graph.nodes()) place_.emplace(&node, place_.size());
  }

  bool run() {
    bool changed = false;
    for (Node& node : graph_.nodes())
      if (is_conv(node)) changed |= visit(node);
    return changed;
  }

 private:
  static constexpr std::string_view kPass = "merge_sibling_convolutions";

  bool visit(Node& first) {
    const std::vector<Node*> others = others_of(first);
    if (others.empty()) return false;
    std::vector<Node*> siblings{&first};
    std::string reason = refusal_of(first);
    const bool fits = reason.empty();
    for (size_t i = 0; fits && i < others.size() && siblings.size() < Results::kMost; ++i) {
      const std::string why = refusal_of_pair(first, *others[i]);
      if (why.empty()) siblings.push_back(others[i]);
      if (reason.empty()) reason = why;
    }
    if (siblings.size() == 1)
      report_.refused(kPass, first, reason);
    else
      merge(siblings);
    return siblings.size() > 1;
  }

  /// What else filters the same value, in the graph's order.
  std::vector<Node*> others_of(const Node& conv) const {
    std::vector<Node*> found;
    for (const auto& [reader, operand] : conv.inputs[0]->users)
      if (reader != &conv && operand == 0 && (is_conv(*reader) || reader->is("conv2d_siblings")))
        found.push_back(reader);
    std::sort(found.begin(), found.end(), [&](const Node* a, const Node* b) { return place_.at(a) < place_.at(b); });
    return found;
  }

  /// The merged node stands in the place of the first: what the other reads must be there by then, which it is not
  /// where the other's residual follows from the first one's result.
  std::string refusal_of_pair(const Node& first, const Node& other) const {
    const std::string name = "%" + other.result().name;
    if (other.is("conv2d_siblings")) return "those merged into " + name + " are without it";
    if (const std::string why = refusal_of(other); !why.empty()) return fmt::format("{}: {}", name, why);
    if (!(attrs_of_conv(other).geometry() == attrs_of_conv(first).geometry()))
      return name + " has another stride, padding or dilation";
    if (place_.at(&other) < place_.at(&first)) return name + " stands before something that this one reads";
    for (const Value* in : other.inputs)
      if (in != nullptr && in->producer != nullptr && place_.at(in->producer) >= place_.at(&first))
        return fmt::format("{} reads %{}, which is made later", name, in->name);
    return "";
  }

  void merge(const std::vector<Node*>& siblings) {
    Node& first = *siblings[0];
    std::string names;
    for (size_t i = 1; i < siblings.size(); ++i)
      names += fmt::format("{} %{}", i == 1 ? "with" : ",", siblings[i]->result().name);
    report_.applied(kPass, first, names);
    Node& fresh = graph_.add_node({.op = kConv2dSiblings,
                                   .inputs = operands_of(siblings),
                                   .attrs = attrs_of_all(siblings),
                                   .path = first.path,
                                   .before = &first});
    place_[&fresh] = place_.at(&first);
    for (size_t i = 0; i < siblings.size(); ++i) replace(graph_, *siblings[i], fresh.result(i));
  }

  static std::vector<Value*> operands_of(const std::vector<Node*>& siblings) {
    std::vector<Value*> operands{siblings[0]->inputs[0]};
    for (const Node* sibling : siblings)
      operands.insert(operands.end(), {sibling->inputs[1], sibling->input(2), sibling->input(3)});
    return trimmed(std::move(operands));
  }

  static ConvSiblingsAttrs attrs_of_all(const std::vector<Node*>& siblings) {
    ConvSiblingsAttrs attrs;
    static_cast<Conv2dAttrs&>(attrs) = attrs_of_conv(*siblings[0]);
    for (const Node* sibling : siblings) {
      attrs.activations.push_back(attrs_of_conv(*sibling).activation);
      attrs.alphas.push_back(attrs_of_conv(*sibling).alpha);
    }
    const auto is_none = [](Activation activation) { return activation == Activation::none; };
    if (std::all_of(attrs.activations.begin(), attrs.activations.end(), is_none)) attrs.activations.clear();
    if (std::all_of(attrs.alphas.begin(), attrs.alphas.end(), [](double alpha) { return alpha == 0; }))
      attrs.alphas.clear();
    return attrs;
  }

  Graph& graph_;
  Report& report_;
  std::unordered_map<const Node*, size_t> place_;
};

}  // namespace

/// Makes 1x1 convolutions of one value one node of several results, as where an Inception module branches, so that the
/// value is read once for all. Whether one kernel runs them or one after the other is a tactic, chosen by timing.
///
/// Before:  %a = conv2d_fused(%x, @v, @b) {activation="relu"}
///          %b = conv2d(%x, @w)
/// After:   %a, %b = conv2d_siblings(%x, @v, @b, _, @w) {activations="relu none"}
bool merge_sibling_convolutions(Graph& graph, Report& report) { return SiblingMerger(graph, report).run(); }

}  // namespace ingot
