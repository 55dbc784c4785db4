#include "ingot/graph.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "ir/node.h"
#include "tensor/symbols.h"

namespace ingot {
namespace {

bool is_identifier(std::string_view name) {
  const auto is_word = [](unsigned char c) { return std::isalnum(c) || c == '_'; };
  return !name.empty() && !std::isdigit(static_cast<unsigned char>(name[0])) &&
         std::all_of(name.begin(), name.end(), is_word);
}

void drop_use(Value& value, const Use& use) {
  const auto it = std::find(value.users.begin(), value.users.end(), use);
  ASSERT(it != value.users.end());
  value.users.erase(it);
}

}  // namespace

bool same_spec(const Spec& a, const Spec& b) {
  return a.defined == b.defined && a.dtype == b.dtype && a.layout == b.layout && a.shape == b.shape;
}

Results infer_results(const OpDef& op, std::span<Value* const> inputs, const Attrs& attrs, std::string_view path) {
  std::vector<Spec> specs;
  for (const Value* v : inputs) specs.push_back(v != nullptr ? v->spec : Spec{.defined = false});
  try {
    Results results = infer_checked(op, specs, attrs);
    for (Spec& spec : results.specs) spec = normalised(spec);
    return results;
  } catch (const UndecidedSize&) {
    throw;
  } catch (const Error& e) {
    fail("[{}] {}{}{}", op.name, path, path.empty() ? "" : ": ", e.what());
  }
}

Graph::Graph() = default;
Graph::~Graph() = default;
Graph::Graph(Graph&& other) noexcept { *this = std::move(other); }
Graph& Graph::operator=(Graph&& other) noexcept {
  sizes_ = std::exchange(other.sizes_, {});
  owned_nodes_ = std::exchange(other.owned_nodes_, {});
  owned_values_ = std::exchange(other.owned_values_, {});
  first_ = std::exchange(other.first_, nullptr);
  last_ = std::exchange(other.last_, nullptr);
  node_count_ = std::exchange(other.node_count_, 0);
  inputs_ = std::exchange(other.inputs_, {});
  outputs_ = std::exchange(other.outputs_, {});
  values_ = std::exchange(other.values_, {});
  constants_ = std::exchange(other.constants_, {});
  next_suffix_ = std::exchange(other.next_suffix_, {});
  return *this;
}

// ---- Reading

NodeRange Graph::nodes() const { return NodeRange(first_); }

std::vector<Node*> Graph::nodes_of(std::string_view op) const {
  std::vector<Node*> found;
  for (Node& node : nodes())
    if (node.is(op)) found.push_back(&node);
  return found;
}

std::vector<Value*> Graph::constants() const {
  std::vector<Value*> found;
  for (const auto& value : owned_values_)
    if (value->is_constant()) found.push_back(value.get());
  return found;
}

std::map<std::string, Tensor> Graph::named_constants() const {
  std::map<std::string, Tensor> found;
  for (const auto& [name, value] : constants_) found.emplace(name, value->constant);
  return found;
}

Value* Graph::find_value(std::string_view name) const {
  const auto it = values_.find(name);
  return it == values_.end() ? nullptr : it->second;
}
Value* Graph::find_constant(std::string_view name) const {
  const auto it = constants_.find(name);
  return it == constants_.end() ? nullptr : it->second;
}
bool Graph::is_output(const Value& value) const {
  return std::any_of(outputs_.begin(), outputs_.end(), [&](const Output& o) { return o.value == &value; });
}

// ---- Building

Dim Graph::add_size(const std::string& name, const SizeRange& range) {
  CHECK(is_identifier(name), "'{}' cannot name a size: letters, digits and _ only", name);
  CHECK(range.min >= 0 && range.min <= range.example && range.example <= range.max,
        "the size {} = {} does not lie in its range {}..{}", name, range.example, range.min, range.max);
  const auto [it, fresh] = sizes_.try_emplace(name, range);
  CHECK(fresh || it->second == range, "the size {} has two ranges: {}..{} with example {} and {}..{} with {}", name,
        it->second.min, it->second.max, it->second.example, range.min, range.max, range.example);
  return Dim::symbol(name, range.example);
}

Value& Graph::make_value(const Spec& spec) {
  owned_values_.push_back(std::make_unique<Value>());
  Value& value = *owned_values_.back();
  value.id = static_cast<uint32_t>(owned_values_.size() - 1);
  value.spec = normalised(spec);
  return value;
}

std::string Graph::fresh_name(const std::string& wanted, const std::map<std::string, Value*, std::less<>>& taken) {
  if (!taken.contains(wanted)) return wanted;
  std::string name;
  do name = fmt::format("{}_{}", wanted, ++next_suffix_[wanted]);
  while (taken.contains(name));
  return name;
}

void Graph::name_value(Value& value, const std::string& wanted) {
  value.name = fresh_name(wanted, values_);
  values_.emplace(value.name, &value);
}

Value& Graph::add_input(const std::string& name, const Spec& spec) {
  CHECK(!name.empty(), "a graph input needs a name");
  CHECK(!values_.contains(name), "there is a second input or value '{}'", name);
  Value& value = make_value(spec);
  name_value(value, name);
  inputs_.push_back(&value);
  return value;
}

Value& Graph::add_constant(Tensor data, const std::string& name) {
  CHECK(data.defined() && !data.is_abstract(), "the constant '{}' has no data", name);
  if (Value* same = name.empty() ? nullptr : find_constant(name)) {
    CHECK(same->constant.same_as(data), "there are two different constants named '{}'", name);
    return *same;
  }
  Value& value = make_value(spec_of(data));
  const bool literal = name.empty() && data.rank() == 0;
  value.constant = std::move(data);
  if (literal) return value;
  value.name = fresh_name(name.empty() ? "const" : name, constants_);
  constants_.emplace(value.name, &value);
  return value;
}

void Graph::add_output(Value& value, const std::string& name) {
  const std::string wanted = !name.empty() ? name : !value.name.empty() ? value.name : "output";
  const auto taken = [&](const std::string& n) {
    return std::any_of(outputs_.begin(), outputs_.end(), [&](const Output& o) { return o.name == n; });
  };
  std::string chosen = wanted;
  for (int i = 1; taken(chosen); ++i) chosen = fmt::format("{}_{}", wanted, i);
  CHECK(name.empty() || chosen == name, "there are two outputs named '{}'", name);
  outputs_.push_back({chosen, &value});
}

void Graph::link(Node& node, Node* before) {
  node.next = before;
  node.previous = before != nullptr ? before->previous : last_;
  (node.previous != nullptr ? node.previous->next : first_) = &node;
  (before != nullptr ? before->previous : last_) = &node;
  ++node_count_;
}

Node& Graph::add_node(const NewNode& from) {
  const bool defaults = !from.attrs && from.op.attrs != nullptr;
  const Attrs attrs = defaults ? parse_attrs(*from.op.attrs, "") : from.attrs;
  const Results results = infer_results(from.op, from.inputs, attrs, from.path);

  owned_nodes_.push_back(std::make_unique<Node>());
  Node& node = *owned_nodes_.back();
  node.op = &from.op;
  node.attrs = attrs;
  node.inputs = from.inputs;
  node.visible = results.visible;
  node.path = from.path;
  node.id = static_cast<uint32_t>(owned_nodes_.size() - 1);
  for (size_t i = 0; i < node.inputs.size(); ++i)
    if (node.inputs[i] != nullptr) node.inputs[i]->users.push_back({&node, i});
  for (const Spec& spec : results.specs) {
    Value& value = make_value(spec);
    value.producer = &node;
    value.index = node.outputs.size();
    node.outputs.push_back(&value);
    const bool named = value.index < from.names.size() && !from.names[value.index].empty();
    name_value(value, named ? from.names[value.index] : std::string(from.op.name));
  }
  link(node, from.before);
  return node;
}

// ---- Editing

void Graph::set_input(Node& node, size_t operand, Value* value) {
  ASSERT(!node.removed && operand < node.inputs.size());
  if (Value* old = node.inputs[operand]) drop_use(*old, {&node, operand});
  node.inputs[operand] = value;
  if (value != nullptr) value->users.push_back({&node, operand});
}

void Graph::set_output(size_t index, Value& value) { outputs_.at(index).value = &value; }

void Graph::rename(Value& value, const std::string& name) {
  CHECK(!name.empty() && !value.is_literal(), "a value cannot be renamed to '{}'", name);
  auto& names = value.is_constant() ? constants_ : values_;
  if (value.name == name) return;
  CHECK(!names.contains(name), "there is a second value '{}'", name);
  names.erase(value.name);
  value.name = name;
  names.emplace(name, &value);
}

void Graph::replace_all_uses(Value& from, Value& to) {
  CHECK(same_spec(from.spec, to.spec), "%{} is {}, it cannot be replaced by {}", from.name, to_string(from.spec),
        to_string(to.spec));
  if (&from == &to) return;
  for (const Use& use : std::exchange(from.users, {})) {
    use.node->inputs[use.operand] = &to;
    to.users.push_back(use);
  }
  for (Output& output : outputs_)
    if (output.value == &from) output.value = &to;
}

void Graph::remove(Node& node) {
  ASSERT(!node.removed);
  for (const Value* value : node.outputs)
    CHECK(value->users.empty() && !is_output(*value), "%{} is still read, its node cannot be removed", value->name);
  for (size_t i = 0; i < node.inputs.size(); ++i)
    if (node.inputs[i] != nullptr) drop_use(*node.inputs[i], {&node, i});
  node.inputs.clear();
  for (Value* value : node.outputs) {
    values_.erase(value->name);
    value->removed = true;
  }
  (node.previous != nullptr ? node.previous->next : first_) = node.next;
  (node.next != nullptr ? node.next->previous : last_) = node.previous;
  node.removed = true;
  --node_count_;
}

void Graph::remove_unused_constants() {
  for (const auto& value : owned_values_) {
    if (!value->is_constant() || !value->users.empty() || is_output(*value)) continue;
    if (!value->name.empty()) constants_.erase(value->name);
    value->constant = {};
    value->removed = true;
  }
}

}  // namespace ingot
