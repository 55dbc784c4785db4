#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ingot/shape.h"
#include "ingot/tensor.h"

// A network as data: traced from C++ or read from a file, rewritten by passes, compiled by the engine.
namespace ingot {

// Complete in ir/node.h, for passes, readers and the engine.
struct Node;
struct Value;
struct NewNode;
struct Spec;
class NodeRange;

/// The sizes that a symbol may take, and the one that stands for it where a single size is needed.
struct SizeRange {
  int64_t example = 1;
  int64_t min = 1, max = std::numeric_limits<int64_t>::max();
  bool operator==(const SizeRange&) const = default;
};
using SizeRanges = std::map<std::string, SizeRange, std::less<>>;

/// Operations in an order in which each comes after what it reads; every value is made once. The graph owns its nodes
/// and values. References to them stay valid as long as the graph: a removed one becomes an empty husk that iteration
/// skips. Moving a graph moves them along; copying is by clone().
class Graph {
 public:
  Graph();
  ~Graph();
  Graph(Graph&&) noexcept;
  Graph& operator=(Graph&&) noexcept;
  Graph clone() const;

  // ---- Reading

  const SizeRanges& sizes() const { return sizes_; }
  const std::vector<Value*>& inputs() const { return inputs_; }
  struct Output {
    std::string name;  // stays when a pass replaces the value
    Value* value = nullptr;
  };
  const std::vector<Output>& outputs() const { return outputs_; }
  /// All nodes in order. While iterating, nodes may be removed, and those inserted after the current one are visited.
  NodeRange nodes() const;
  /// The nodes with this op, as they are now; the caller skips those that it removes meanwhile.
  std::vector<Node*> nodes_of(std::string_view op) const;
  size_t node_count() const { return node_count_; }
  /// Values with data that come with the graph: parameters and literals, in order of their making.
  std::vector<Value*> constants() const;
  /// The named constants' data, as state_dict has it.
  std::map<std::string, Tensor> named_constants() const;
  /// nullptr where there is none.
  Value* find_value(std::string_view name) const;
  Value* find_constant(std::string_view name) const;
  bool is_output(const Value& value) const;

  // ---- Building and editing. All throw Error rather than leave the graph broken.

  /// A symbolic size; the same name again must have the same range.
  Dim add_size(const std::string& name, const SizeRange& range);
  Value& add_input(const std::string& name, const Spec& spec);
  /// A tensor that is shared, not copied. Without a name, scalars are printed where they stand and others get one.
  Value& add_constant(Tensor data, const std::string& name = "");
  void add_output(Value& value, const std::string& name = "");
  /// Runs the op's shape rule and makes its results; appended, or placed before `NewNode::before`.
  Node& add_node(const NewNode& node);
  void set_input(Node& node, size_t operand, Value* value);
  void set_output(size_t index, Value& value);
  void rename(Value& value, const std::string& name);
  /// Every reader of `from`, graph outputs included, reads `to` instead. Throws Error unless shape, dtype and layout
  /// agree.
  void replace_all_uses(Value& from, Value& to);
  /// Throws Error while a result has readers.
  void remove(Node& node);
  void remove_unused_constants();

 private:
  Value& make_value(const Spec& spec);
  std::string fresh_name(const std::string& wanted, const std::map<std::string, Value*, std::less<>>& taken);
  void name_value(Value& value, const std::string& wanted);
  void link(Node& node, Node* before);

  SizeRanges sizes_;
  std::vector<std::unique_ptr<Node>> owned_nodes_;
  std::vector<std::unique_ptr<Value>> owned_values_;
  Node* first_ = nullptr;
  Node* last_ = nullptr;
  size_t node_count_ = 0;
  std::vector<Value*> inputs_;
  std::vector<Output> outputs_;
  std::map<std::string, Value*, std::less<>> values_, constants_;  // by name
  std::map<std::string, int, std::less<>> next_suffix_;            // "conv2d" -> 3: the next is conv2d_3
};

// ---- Text

/// The graph as text, which parse_graph reads back:
///
///   size n = 8 in 1..64
///   const @fc.weight: f32[10, 784]
///   graph(%x: f32[n, 1, 28, 28]) {
///     %flatten = reshape(%x) {shape=[n, 784]}: f32[n, 784]
///     %linear = linear(%flatten, @fc.weight, _): f32[n, 10]  # fc
///     %mul = mul(%linear, f32(0.5)): f32[n, 10]
///     return %mul as logits
///   }
///
/// Constants' data stands aside in named_constants(). An absent operand is _. A 4-D layout other than channels-last
/// follows the shape. Saved values come after the results behind a bar, where they are read.
std::string to_string(const Graph& graph);
/// Throws Error that begins with the line. Constants without an entry in `data` are refused.
Graph parse_graph(std::string_view text, const std::map<std::string, Tensor>& data = {});
/// For Graphviz.
std::string to_dot(const Graph& graph);

// ---- Checks and comparison

/// Throws Error unless every value is made once and before it is read, readers and producers know each other, shape
/// rules give the recorded shapes and dtypes, and constants match their spec.
void verify(const Graph& graph);
/// Where two graphs first differ in sizes, inputs, nodes, wiring, attributes, constants or outputs; nothing where they
/// are equal. Names of inner values do not count; those of inputs, outputs and constants do.
std::optional<std::string> first_difference(const Graph& a, const Graph& b);
inline bool operator==(const Graph& a, const Graph& b) { return !first_difference(a, b); }
/// Equal graphs have equal hashes. Constants count with their data.
uint64_t hash_of(const Graph& graph);

// ---- Sizes

/// The values that these input shapes give to the graph's symbols. Throws Error that names the input which does not
/// fit.
SymbolValues bind_sizes(const Graph& graph, std::span<const Shape> input_shapes);
/// The graph with these sizes fixed.
Graph at_sizes(const Graph& graph, const SymbolValues& values);

// ---- Tracing

struct InputSpec {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;                   // may have symbols: {Dim::symbol("n", 8), 3, 224, 224}
  std::optional<Layout> layout;  // none: the default of the rank
};
using TracedFunction = std::function<Tensors(const Tensors&)>;
using NamedConstants = std::map<std::string, Tensor>;

struct TraceOptions {
  SizeRanges ranges;                      // of the symbols; without an entry: 1 or more
  std::vector<std::string> output_names;  // without: the name of the value
};
/// A symbol that had to become a number, because whether the function fits its shapes depends on it.
struct FixedSize {
  std::string symbol;
  int64_t value = 0;
  std::string reason;
};
struct Traced {
  Graph graph;
  std::vector<FixedSize> fixed;
};
/// Runs `fn` on shapes without data and returns what it did. Tensors of `names` become constants of that name; they and
/// other tensors that the function reads are shared with the graph, not copied. A function may compute gradients.
/// It runs again for each symbol that has to be fixed.
Traced trace(const TracedFunction& fn, const std::vector<InputSpec>& inputs, const NamedConstants& names = {},
             const TraceOptions& options = {});
/// Also traces at two concrete sizes of each symbol; throws Error where the symbolic trace says otherwise, because the
/// function looked at a size in a way that the trace cannot see.
Traced check_trace(const TracedFunction& fn, const std::vector<InputSpec>& inputs, const NamedConstants& names = {},
                   const TraceOptions& options = {});

// ---- Running unfused, as the reference

/// Calls `seen` with every value that is computed, if given.
using ValueObserver = std::function<void(const Value& value, const Tensor& data)>;
/// Runs the nodes one by one through the ops at the inputs' sizes, without gradients.
Tensors interpret(const Graph& graph, const Tensors& inputs, const ValueObserver& seen = {});

// ---- Passes

/// What passes did and what they left, by node.
struct Report {
  struct Entry {
    std::string pass, op, node, path;  // node: the name of its first result
    bool applied = false;
    std::string reason;  // why not; or what was done
  };
  std::vector<Entry> entries;

  void applied(std::string_view pass, const Node& node, std::string what = "");
  void refused(std::string_view pass, const Node& node, std::string reason);
  size_t count_applied(std::string_view pass) const;
};
/// {"passes": {"fold_constants": {"applied": 3, "refused": 1}, ...}, "entries": [{...}]}
std::string to_json(const Report& report);

struct PassOptions {
  std::set<std::string> disabled;  // names of passes; throws Error for an unknown one
  bool verify_each = false;        // always so in debug builds
};
/// The names of the inference passes in their order.
std::vector<std::string> pass_names();
/// Runs the inference passes.
Report optimize(Graph& graph, const PassOptions& options = {});

}  // namespace ingot
