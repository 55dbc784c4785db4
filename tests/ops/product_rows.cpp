#include "ops/op_row.h"

namespace ingot::test {
namespace {

using Index = std::vector<int64_t>;

Plain plain_matmul(const Plain& a, const Plain& b) {
  const size_t rank = std::max(a.shape.size(), b.shape.size());
  const Plain batch =
      zip(Plain{Index(a.shape.begin(), a.shape.end() - 2), std::vector<double>(a.values.size())},
          Plain{Index(b.shape.begin(), b.shape.end() - 2), std::vector<double>(b.values.size())}, std::plus<>());
  Index shape = batch.shape;
  shape.push_back(a.shape[a.shape.size() - 2]);
  shape.push_back(b.shape.back());
  return build(shape, [&](Index i) {
    double total = 0;
    const int64_t row = i[rank - 2], column = i[rank - 1];
    for (int64_t k = 0; k < a.shape.back(); ++k) {
      i[rank - 2] = row, i[rank - 1] = k;
      const double left = a.at(i);
      i[rank - 2] = k, i[rank - 1] = column;
      total += left * b.at(i);
    }
    return total;
  });
}

Plain plain_linear(const std::vector<Plain>& in) {
  const Plain wt = build({in[1].shape[1], in[1].shape[0]}, [&](const Index& i) { return in[1].at({i[1], i[0]}); });
  const Plain y = plain_matmul(in[0], wt);
  return in.size() > 2 ? zip(y, in[2], std::plus<>()) : y;
}

OpRow product(std::string name, std::vector<Input> inputs, std::function<Tensor(const Tensors&)> run,
              std::function<Plain(const std::vector<Plain>&)> reference) {
  return {.name = std::move(name),
          .inputs = std::move(inputs),
          .run = [run](const Tensors& in) { return Tensors{run(in)}; },
          .reference = [reference](const std::vector<Plain>& in) { return std::vector{reference(in)}; },
          .onednn_split = true,
          .tolerance = 4};
}

}  // namespace

std::vector<OpRow> product_rows() {
  const auto times = [](const Tensors& in) { return matmul(in[0], in[1]); };
  const auto plain_times = [](const std::vector<Plain>& in) { return plain_matmul(in[0], in[1]); };
  std::vector<OpRow> rows{
      product("matmul", {Input{5, 7}, Input{7, 3}}, times, plain_times),
      product("matmul_batched", {Input{2, 3, 4, 5}, Input{3, 5, 6}}, times, plain_times),
      product(
          "matmul_transposed", {Input{4, 5}, Input{6, 5}},
          [](const Tensors& in) { return matmul(in[0], transpose(in[1], 0, 1)); },
          [](const std::vector<Plain>& in) { return plain_linear(in); }),
      product(
          "linear", {Input{4, 5}, Input{6, 5}, Input{6}}, [](const Tensors& in) { return linear(in[0], in[1], in[2]); },
          plain_linear),
      product(
          "linear_3d", {Input{4, 3, 5}, Input{6, 5}}, [](const Tensors& in) { return linear(in[0], in[1]); },
          plain_linear),
      product(
          "linear_fused", {Input{4, 5}, Input{6, 5}, Input{6}},
          [](const Tensors& in) { return linear_fused(in[0], in[1], in[2], Activation::leaky_relu, 0.2); },
          [](const std::vector<Plain>& in) {
            return map(plain_linear(in), [](double x) { return x > 0 ? x : 0.2 * x; });
          }),
  };
  return rows;
}

}  // namespace ingot::test
