#include <fmt/format.h>

#include <numeric>
#include <unordered_map>

#include "base/hash.h"
#include "ir/text.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

uint64_t hash_of_data(const Tensor& x) {
  const Tensor dense = x.is_dense() ? x : clone(x);
  const Array array = array_of(dense);
  return hash_bytes(array.data, static_cast<size_t>(array.numel()) * size_of(array.dtype));
}

/// A graph as lines in which inner values go by number: equal graphs give equal lines.
class Canonical {
 public:
  explicit Canonical(const Graph& graph) {
    for (const auto& [name, range] : graph.sizes())
      lines.push_back(fmt::format("size {} = {} in {}..{}", name, range.example, range.min, range.max));
    for (const Value* value : graph.inputs())
      lines.push_back(fmt::format("input {} = {}: {}", name_text(value->name), number(*value), to_string(value->spec)));
    for (const Node& node : graph.nodes()) lines.push_back(line_of(node));
    for (const auto& [name, value] : graph.outputs())
      lines.push_back(fmt::format("output {} = {}", name_text(name), operand(value)));
  }

  std::vector<std::string> lines;

 private:
  std::string line_of(const Node& node) {
    std::string in, out;
    for (const Value* value : node.inputs) in += (in.empty() ? "" : ", ") + operand(value);
    for (const Value* value : node.outputs)
      out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", number(*value), to_string(value->spec));
    return fmt::format("{} = {}({}) {{{}}} # {}", out, node.op->name, in, to_string(node.attrs), node.path);
  }

  std::string number(const Value& value) {
    return fmt::format("%{}", numbers_.try_emplace(&value, numbers_.size()).first->second);
  }

  std::string operand(const Value* value) {
    if (value == nullptr || value->is_literal()) return operand_text(value);
    if (!value->is_constant()) return number(*value);
    const auto [it, fresh] = data_.try_emplace(value, 0);
    if (fresh) it->second = hash_of_data(value->constant);
    return fmt::format("{}: {} with data {:016x}", operand_text(value), to_string(value->spec), it->second);
  }

  std::unordered_map<const Value*, size_t> numbers_;
  std::unordered_map<const Value*, uint64_t> data_;
};

}  // namespace

std::optional<std::string> first_difference(const Graph& a, const Graph& b) {
  const auto x = Canonical(a).lines, y = Canonical(b).lines;
  for (size_t i = 0; i < std::max(x.size(), y.size()); ++i) {
    const std::string_view left = i < x.size() ? std::string_view(x[i]) : "nothing",
                           right = i < y.size() ? std::string_view(y[i]) : "nothing";
    if (left != right) return fmt::format("one has '{}' where the other has '{}'", left, right);
  }
  return std::nullopt;
}

uint64_t hash_of(const Graph& graph) {
  const auto lines = Canonical(graph).lines;
  return std::accumulate(lines.begin(), lines.end(), uint64_t{0}, [](uint64_t seed, const std::string& line) {
    return hash_bytes(line.data(), line.size(), seed);
  });
}

}  // namespace ingot
