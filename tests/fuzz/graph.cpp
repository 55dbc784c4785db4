#include "ingot/graph.h"
#include "fuzz/fuzz.h"
#include "ingot/ops.h"
#include "ir/node.h"

namespace ingot::fuzz {
namespace {

constexpr size_t kMostNodes = 30;
constexpr int64_t kMostElements = 20'000;  // of a graph that is worth running

/// What a text may name.
const std::map<std::string, Tensor>& constants() {
  static const std::map<std::string, Tensor> constants = [] {
    std::map<std::string, Tensor> out{{"conv.weight", full({4, 2, 3, 3}, 0.1)}, {"fc.weight", full({3, 4}, 0.2)}};
    for (const char* name : {"conv.bias", "bn.mean", "bn.var", "bn.weight", "bn.bias"}) out[name] = full({4}, 0.5);
    return out;
  }();
  return constants;
}

int64_t elements(const Graph& graph, const SymbolValues& sizes) {
  int64_t count = 0;
  const auto add = [&](const Value& value) {
    int64_t product = 1;
    for (const Dim d : value.spec.shape) product = std::min(product * substitute(d, sizes).value(), kMostElements + 1);
    count += product;
  };
  for (const Value* value : graph.inputs()) add(*value);
  for (const Node& node : graph.nodes())
    for (const Value* value : node.outputs) add(*value);
  return count;
}

void run(const Graph& graph) {
  SymbolValues sizes;
  for (const auto& [name, range] : graph.sizes()) sizes[name] = range.example;
  if (graph.node_count() > kMostNodes || elements(graph, sizes) > kMostElements) return;
  Tensors in;
  for (const Value* value : graph.inputs()) {
    Shape shape = value->spec.shape;
    for (Dim& d : shape) d = substitute(d, sizes);
    in.push_back(full(shape, 1, value->spec.dtype));
  }
  interpret(graph, in);
}

}  // namespace

std::vector<std::string> seeds() {
  return {R"(size n = 2 in 1..8
const @conv.weight: f32[4, 2, 3, 3]
const @conv.bias: f32[4]
const @bn.mean: f32[4]
const @bn.var: f32[4]
const @fc.weight: f32[3, 4]
graph(%x: f32[n, 2, 5, 5]) {
  %a = conv2d(%x, @conv.weight, @conv.bias) {padding=[1, 1, 1, 1]}: f32[n, 4, 5, 5]  # conv
  %b = batch_norm(%a, @bn.mean, @bn.var): f32[n, 4, 5, 5]
  %c = relu(%b): f32[n, 4, 5, 5]
  %d = adaptive_avg_pool2d(%c): f32[n, 4, 1, 1]
  %e = reshape(%d) {shape=[n, 4]}: f32[n, 4]
  %f = linear(%e, @fc.weight, _): f32[n, 3]  # fc
  return %f as logits
}
)",
          R"(size n = 3 in 1..
graph(%x: f64[n, 4], %y: f64[4], %"a b": i32[2*n + 1, 2] ) {
  %s = mul(%x, f64(0.5)): f64[n, 4]
  %t = sigmoid(%s): f64[n, 4]
  %u = mul(%s, %t): f64[n, 4]
  %v = add(%u, %y): f64[n, 4]
  %w = concat(%v, %u) {dim=1}: f64[n, 8]
  %m = amax(%w) {dims=[1], keepdim=true}: f64[n, 1]
  return %m, %"a b" as other
}
)"};
}

void read(std::string_view input) {
  Graph graph = parse_graph(input, constants());
  verify(graph);
  const Graph again = require_success([&] { return parse_graph(to_string(graph), graph.named_constants()); });
  const auto difference = first_difference(graph, again);
  require(!difference, "a graph, written and read back, is another: " + difference.value_or(""));
  run(graph);
  require_success([&] { optimize(graph, {.verify_each = true}); });
  run(graph);
}

}  // namespace ingot::fuzz
