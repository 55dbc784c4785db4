#include <fmt/format.h>

#include <algorithm>

#include "ir/text.h"

namespace ingot {
namespace {

std::string joined(const auto& items, const auto& text_of) {
  std::string out;
  for (const auto& item : items) out += (out.empty() ? "" : ", ") + text_of(item);
  return out;
}

bool is_read(const Value& value, const Graph& graph) { return !value.users.empty() || graph.is_output(value); }

/// How many results to write: the visible ones, and saved values up to the last that is read.
size_t written_results(const Node& node, const Graph& graph) {
  size_t count = node.outputs.size();
  while (count > node.visible && !is_read(*node.outputs[count - 1], graph)) --count;
  return count;
}

/// "a, b | c": results, then saved values.
std::string result_list(const Node& node, size_t count, const auto& text_of) {
  const std::span<Value* const> all(node.outputs);
  std::string out = joined(all.first(node.visible), text_of);
  if (count > node.visible) out += " | " + joined(all.subspan(node.visible, count - node.visible), text_of);
  return out;
}

std::string node_text(const Node& node, const Graph& graph) {
  const size_t count = written_results(node, graph);
  std::string out = result_list(node, count, operand_text);
  out += fmt::format(" = {}({})", node.op->name, joined(node.inputs, operand_text));
  if (const std::string attrs = to_string(node.attrs); !attrs.empty()) out += " {" + attrs + "}";
  out += ": " + result_list(node, count, [](const Value* v) { return to_string(v->spec); });
  if (!node.path.empty()) out += "  # " + name_text(node.path);
  return out;
}

std::string header_text(const Graph& graph) {
  std::string out;
  for (const auto& [name, range] : graph.sizes()) {
    out += fmt::format("size {} = {} in {}..", name, range.example, range.min);
    out += range.max == std::numeric_limits<int64_t>::max() ? "\n" : fmt::format("{}\n", range.max);
  }
  for (const Value* value : graph.constants())
    if (!value->is_literal()) out += fmt::format("const {}: {}\n", operand_text(value), to_string(value->spec));
  return out;
}

}  // namespace

bool is_bare_name_char(char c) {
  constexpr std::string_view kOthers = "_./-";
  return std::isalnum(static_cast<unsigned char>(c)) || kOthers.find(c) != std::string_view::npos;
}

std::string name_text(std::string_view name) {
  if (!name.empty() && name != "_" && std::all_of(name.begin(), name.end(), is_bare_name_char))
    return std::string(name);
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string literal_text(const Tensor& scalar) {
  const std::string_view dtype = name_of(scalar.dtype());
  if (scalar.dtype() == DType::boolean) return fmt::format("{}({})", dtype, scalar.item<bool>());
  if (scalar.dtype() == DType::f64) return fmt::format("{}({})", dtype, scalar.item<double>());
  if (is_floating(scalar.dtype())) return fmt::format("{}({})", dtype, scalar.item<float>());
  return fmt::format("{}({})", dtype, scalar.to_vector<int64_t>()[0]);
}

std::string operand_text(const Value* value) {
  if (value == nullptr) return "_";
  if (value->is_literal()) return literal_text(value->constant);
  return (value->is_constant() ? "@" : "%") + name_text(value->name);
}

std::string to_string(const Spec& spec) {
  std::string out = std::string(name_of(spec.dtype)) + to_string(spec.shape);
  if (spec.layout == default_layout(spec.shape.size())) return out;
  return out + (spec.layout == Layout::row_major ? " row_major" : " channels_last");
}

std::string to_string(const Graph& graph) {
  std::string out = header_text(graph);
  out +=
      fmt::format("graph({}) {{\n",
                  joined(graph.inputs(), [](const Value* v) { return operand_text(v) + ": " + to_string(v->spec); }));
  for (const Node& node : graph.nodes()) out += "  " + node_text(node, graph) + "\n";
  const auto output = [](const Graph::Output& o) {
    const std::string value = operand_text(o.value);
    return o.value->is_literal() || o.name != o.value->name ? value + " as " + name_text(o.name) : value;
  };
  return out + "  return" + (graph.outputs().empty() ? "" : " ") + joined(graph.outputs(), output) + "\n}\n";
}

}  // namespace ingot
