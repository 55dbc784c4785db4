#pragma once

#include "autograd/op_def.h"
#include "ingot/graph.h"

namespace ingot {

/// Where a value is read: operand `operand` of `node`.
struct Use {
  Node* node = nullptr;
  size_t operand = 0;
  bool operator==(const Use&) const = default;
};

/// What a node makes, an input or a constant. Only Graph changes it.
struct Value {
  std::string name;  // unique among the graph's values, or among its constants; "" for a literal
  uint32_t id = 0;   // unique in the graph, and never used again
  Spec spec;
  Node* producer = nullptr;  // none for inputs and constants
  size_t index = 0;          // which result of the producer
  std::vector<Use> users;    // in the order in which they came; graph outputs are not among them
  Tensor constant;
  bool removed = false;

  bool is_constant() const { return constant.defined(); }
  /// A scalar that is printed where it is read.
  bool is_literal() const { return is_constant() && name.empty(); }
};

/// One call of an op. Only Graph changes it.
struct Node {
  const OpDef* op = nullptr;
  Attrs attrs;
  std::vector<Value*> inputs;   // nullptr: an optional operand that is absent
  std::vector<Value*> outputs;  // results, then saved values
  size_t visible = 1;           // how many are results
  std::string path;             // of the module that made the call, e.g. "layer1.0.conv1"
  uint32_t id = 0;
  Node* previous = nullptr;
  Node* next = nullptr;
  bool removed = false;

  bool is(std::string_view name) const { return !removed && op->name == name; }
  Value& result(size_t i = 0) const { return *outputs[i]; }
  Value* input(size_t i) const { return i < inputs.size() ? inputs[i] : nullptr; }
  template <class A>
  const A& as() const {
    return attrs.get<A>();
  }
};

/// What add_node makes.
struct NewNode {
  const OpDef& op;
  std::vector<Value*> inputs;
  Attrs attrs;  // none: the op's defaults
  std::string path;
  std::vector<std::string> names;  // of the results; those without one are named after the op
  Node* before = nullptr;          // none: at the end
};

/// The nodes from one on, without those that were removed.
class NodeRange {
 public:
  class Iterator {
   public:
    explicit Iterator(Node* at) : at_(at) { skip_removed(); }
    Node& operator*() const { return *at_; }
    Node* operator->() const { return at_; }
    Iterator& operator++() {
      at_ = at_->next;
      skip_removed();
      return *this;
    }
    bool operator==(const Iterator&) const = default;

   private:
    void skip_removed() {
      while (at_ != nullptr && at_->removed) at_ = at_->next;
    }
    Node* at_;
  };

  explicit NodeRange(Node* first) : first_(first) {}
  Iterator begin() const { return Iterator(first_); }
  Iterator end() const { return Iterator(nullptr); }

 private:
  Node* first_;
};

bool same_spec(const Spec& a, const Spec& b);
/// "f32[n, 64, 56, 56]", with the layout after it where it is not the default of the rank.
std::string to_string(const Spec& spec);
/// The specs that an op's shape rule gives for these operands. Errors begin with the op's name and the path.
Results infer_results(const OpDef& op, std::span<Value* const> inputs, const Attrs& attrs, std::string_view path);

}  // namespace ingot
