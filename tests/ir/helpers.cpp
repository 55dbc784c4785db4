#include "helpers.h"

#include <sstream>

#include "ingot/ops.h"

namespace ingot::test {

namespace {

/// Random values for "f32[4, 3] row_major".
Tensor random_constant(const std::string& spec, bool positive, uint64_t seed) {
  const size_t open = spec.find('['), close = spec.find(']');
  const DType dtype = *parse_dtype(spec.substr(0, open));
  std::istringstream sizes(spec.substr(open + 1, close - open - 1));
  Shape shape;
  for (std::string size; std::getline(sizes, size, ',');) shape.push_back(std::stoll(size));
  const bool f64 = dtype == DType::f64;
  const Tensor made = uniform(shape, positive ? 0.5 : -1, positive ? 2 : 1, RandomKey{seed}, f64 ? dtype : DType::f32);
  const bool row_major = spec.find("row_major") != std::string::npos;
  Tensor out = empty(shape, dtype, row_major ? Layout::row_major : default_layout(shape.size()));
  copy_into(out, made);
  return out;
}

}  // namespace

std::map<std::string, Tensor> random_constants(const std::string& text) {
  std::map<std::string, Tensor> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const size_t name = line.find("const @"), colon = line.find(": ");
    if (name == std::string::npos || colon == std::string::npos) continue;
    const std::string key = line.substr(name + 7, colon - name - 7);
    const bool positive = key.find("var") != std::string::npos;
    out[key] = random_constant(line.substr(colon + 2), positive, out.size() + 2);
  }
  return out;
}

Graph graph_of(const std::string& text) { return parse_graph(text, random_constants(text)); }

Tensors random_inputs(const Graph& graph, uint64_t seed) {
  SymbolValues sizes;
  for (const auto& [name, range] : graph.sizes()) sizes[name] = range.example;
  Tensors out;
  for (const Value* value : graph.inputs()) {
    Shape shape;
    for (const Dim d : value->spec.shape) shape.push_back(substitute(d, sizes));
    const bool f64 = value->spec.dtype == DType::f64;
    const Tensor x = uniform(shape, -2, 2, RandomKey{++seed}, f64 ? DType::f64 : DType::f32);
    Tensor in = empty(shape, value->spec.dtype, value->spec.layout);
    copy_into(in, x);
    out.push_back(in);
  }
  return out;
}

std::string in_f64(std::string text) {
  for (size_t at = 0; (at = text.find("f32", at)) != std::string::npos;) text.replace(at, 3, "f64");
  return text;
}

std::string normal_text(const std::string& text, const Graph& like) {
  return to_string(parse_graph(text, like.named_constants()));
}

void expect_near(const Tensors& a, const Tensors& b, double tolerance) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t t = 0; t < a.size(); ++t) {
    ASSERT_EQ(a[t].shape(), b[t].shape());
    ASSERT_EQ(a[t].dtype(), b[t].dtype());
    const auto x = a[t].to_vector<double>(), y = b[t].to_vector<double>();
    double largest = 1;
    for (const double v : y) largest = std::max(largest, std::fabs(v));
    for (size_t i = 0; i < x.size(); ++i)
      ASSERT_TRUE(std::fabs(x[i] - y[i]) <= tolerance * largest)
          << "result " << t << ", element " << i << ": " << x[i] << " and " << y[i];
  }
}

void expect_same_results(const Graph& a, const Graph& b) {
  const Tensors inputs = random_inputs(a);
  const bool f64 = !inputs.empty() && inputs[0].dtype() == DType::f64;
  expect_near(interpret(b, inputs), interpret(a, inputs), f64 ? 1e-12 : 1e-5);
}

namespace {

void check_rewrite(const Rewrite& row, const std::string& before, const std::string& after) {
  Graph graph = graph_of(before);
  const Graph original = graph.clone();
  Report report, unused;
  EXPECT_TRUE(row.pass(graph, report));
  EXPECT_TRUE(std::any_of(report.entries.begin(), report.entries.end(), [](const auto& e) { return e.applied; }));
  remove_dead_nodes(graph, unused);
  verify(graph);
  EXPECT_EQ(to_string(graph), normal_text(after, graph));
  expect_same_results(original, graph);
  Report again;
  EXPECT_FALSE(row.pass(graph, again)) << "it changes its own result";
}

}  // namespace

void check(const Rewrite& row) {
  const testing::ScopedTrace trace(__FILE__, __LINE__, row.name);
  check_rewrite(row, row.before, row.after);
  check_rewrite(row, in_f64(row.before), in_f64(row.after));
}

void check(const Refusal& row) {
  const testing::ScopedTrace trace(__FILE__, __LINE__, row.name);
  Graph graph = graph_of(row.text);
  const std::string before = to_string(graph);
  Report report;
  EXPECT_FALSE(row.pass(graph, report));
  EXPECT_EQ(to_string(graph), before);
  std::string reasons;
  for (const auto& entry : report.entries) {
    EXPECT_FALSE(entry.applied);
    reasons += entry.reason + "\n";
  }
  EXPECT_THAT(reasons, testing::HasSubstr(row.reason));
}

}  // namespace ingot::test
