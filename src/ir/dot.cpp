#include <fmt/format.h>

#include "ir/text.h"

namespace ingot {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

void add_edges(std::string& out, const Value& value, const std::string& from, const Graph& graph) {
  const auto edge = [&](const std::string& to) {
    out += fmt::format("  {} -> {} [label=\"{}\"];\n", from, to, escaped(to_string(value.spec)));
  };
  for (const Use& use : value.users) edge(fmt::format("node{}", use.node->id));
  for (size_t i = 0; i < graph.outputs().size(); ++i)
    if (graph.outputs()[i].value == &value) edge(fmt::format("output{}", i));
}

}  // namespace

std::string to_dot(const Graph& graph) {
  std::string out = "digraph {\n  node [shape=box];\n";
  const auto vertex = [&](const std::string& id, std::string_view first, std::string_view second,
                          std::string_view style) {
    out += fmt::format("  {} [label=\"{}\\n{}\"{}];\n", id, escaped(first), escaped(second), style);
  };
  for (const Value* value : graph.inputs()) {
    const std::string id = fmt::format("input{}", value->id);
    vertex(id, value->name, to_string(value->spec), ", shape=ellipse");
    add_edges(out, *value, id, graph);
  }
  for (const Node& node : graph.nodes()) {
    const std::string id = fmt::format("node{}", node.id);
    vertex(id, node.op->name, node.path, "");
    for (const Value* value : node.outputs) add_edges(out, *value, id, graph);
  }
  for (size_t i = 0; i < graph.outputs().size(); ++i)
    vertex(fmt::format("output{}", i), graph.outputs()[i].name, "", ", shape=ellipse");
  return out + "}\n";
}

}  // namespace ingot
