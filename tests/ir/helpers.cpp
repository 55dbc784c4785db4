#include "helpers.h"

#include <regex>

#include "ingot/ops.h"

namespace ingot::test {

std::map<std::string, Tensor> random_constants(const std::string& text) {
  static const std::regex kLine(R"(const @([A-Za-z0-9_./-]+): (\w+)\[([0-9, ]*)\]( row_major)?)");
  std::map<std::string, Tensor> out;
  uint64_t seed = 1;
  for (auto it = std::sregex_iterator(text.begin(), text.end(), kLine); it != std::sregex_iterator(); ++it) {
    const std::string name = (*it)[1], sizes = (*it)[3];
    Shape shape;
    static const std::regex kNumber(R"(\d+)");
    for (auto n = std::sregex_iterator(sizes.begin(), sizes.end(), kNumber); n != std::sregex_iterator(); ++n)
      shape.push_back(std::stoll(n->str()));
    const DType dtype = *parse_dtype((*it)[2].str());
    const bool positive = name.find("var") != std::string::npos;
    Tensor made = uniform(shape, positive ? 0.5 : -1, positive ? 2 : 1, RandomKey{++seed},
                          dtype == DType::f64 ? dtype : DType::f32);
    if ((*it)[4].matched) {
      Tensor other = empty(shape, made.dtype(), Layout::row_major);
      copy_into(other, made);
      made = other;
    }
    out[name] = made.dtype() == dtype ? made : cast(made, dtype);
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

std::string error_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

}  // namespace ingot::test
