#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/check.h"
#include "ir/node.h"
#include "ir/text.h"
#include "tensor/symbols.h"

namespace ingot {
namespace {

class Verifier {
 public:
  explicit Verifier(const Graph& graph) : graph_(graph) {}

  void run() {
    for (const Value* value : graph_.inputs()) {
      CHECK(value->producer == nullptr && !value->is_constant(), "the input %{} is made inside the graph", value->name);
      introduce(*value);
    }
    for (const Value* value : graph_.constants()) check_constant(*value);
    for (const Node& node : graph_.nodes()) check(node);
    for (const auto& [name, value] : graph_.outputs())
      CHECK(made_.contains(value), "the output '{}' is not made in the graph", name);
    for (const Value* value : made_) check_users(*value);
  }

 private:
  void introduce(const Value& value) {
    CHECK(made_.insert(&value).second, "{} is made twice", operand_text(&value));
    for (const Dim d : value.spec.shape)
      for (const std::string& symbol : symbols_in(d))
        CHECK(graph_.sizes().contains(symbol), "{} is {}, but the graph has no size '{}'", operand_text(&value),
              to_string(value.spec), symbol);
  }

  void check_constant(const Value& value) {
    CHECK(same_spec(value.spec, normalised(spec_of(value.constant))), "{} is {}, its data is {}", operand_text(&value),
          to_string(value.spec), to_string(spec_of(value.constant)));
    introduce(value);
  }

  void check(const Node& node) {
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == nullptr) continue;
      CHECK(made_.contains(node.inputs[i]), "[{}] %{} reads {} before it is made", node.op->name, node.result().name,
            operand_text(node.inputs[i]));
      reads_[node.inputs[i]].push_back({const_cast<Node*>(&node), i});
    }
    const Results wanted = infer_results(*node.op, node.inputs, node.attrs, node.path);
    CHECK(wanted.specs.size() == node.outputs.size() && wanted.visible == node.visible,
          "[{}] %{} has {} results, its op gives {}", node.op->name, node.result().name, node.outputs.size(),
          wanted.specs.size());
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const Value& value = node.result(i);
      CHECK(value.producer == &node && value.index == i && !value.removed, "%{} does not know its producer",
            value.name);
      CHECK(same_spec(value.spec, wanted.specs[i]), "[{}] %{} is {}, its op gives {}", node.op->name, value.name,
            to_string(value.spec), to_string(wanted.specs[i]));
      introduce(value);
    }
  }

  void check_users(const Value& value) {
    auto& reads = reads_[&value];
    CHECK(reads.size() == value.users.size() && std::is_permutation(reads.begin(), reads.end(), value.users.begin()),
          "{} has {} readers, but knows {}", operand_text(&value), reads.size(), value.users.size());
  }

  const Graph& graph_;
  std::unordered_set<const Value*> made_;
  std::unordered_map<const Value*, std::vector<Use>> reads_;
};

}  // namespace

void verify(const Graph& graph) { Verifier(graph).run(); }

}  // namespace ingot
