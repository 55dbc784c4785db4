#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/op_row.h"

namespace ingot::test {
namespace {

using Index = std::vector<int64_t>;

/// Folds the reduced dimensions in row-major order.
Plain fold(const Plain& x, const std::vector<int64_t>& dims, bool keepdim, double start,
           const std::function<double(double, double)>& f) {
  Index kept = x.shape;
  for (const int64_t d : dims) kept[static_cast<size_t>(d)] = 1;
  Plain out = build(kept, [&](const Index&) { return start; });
  each_index(x.shape, [&](const Index& i) {
    int64_t place = 0;
    for (size_t d = 0; d < kept.size(); ++d) place = place * kept[d] + (kept[d] == 1 ? 0 : i[d]);
    double& v = out.values[static_cast<size_t>(place)];
    v = f(v, x.at(i));
  });
  if (!keepdim) {
    Index shape;
    for (size_t d = 0; d < kept.size(); ++d)
      if (std::find(dims.begin(), dims.end(), static_cast<int64_t>(d)) == dims.end()) shape.push_back(x.shape[d]);
    out.shape = shape;
  }
  return out;
}

Plain plain_sum(const Plain& x, const std::vector<int64_t>& dims, bool keepdim) {
  return fold(x, dims, keepdim, 0, std::plus<>());
}

Plain plain_mean(const Plain& x, const std::vector<int64_t>& dims, bool keepdim) {
  const Plain total = plain_sum(x, dims, keepdim);
  return map(total, [&](double v) { return v * static_cast<double>(total.numel()) / static_cast<double>(x.numel()); });
}

OpRow reduction(std::string name, std::function<Tensor(const Tensor&)> run,
                std::function<Plain(const Plain&)> reference, bool batched = false) {
  return {.name = std::move(name),
          .inputs = {Input{4, 6, 5, 3}},
          .run = [run](const Tensors& in) { return Tensors{run(in[0])}; },
          .reference = [reference](const std::vector<Plain>& in) { return std::vector{reference(in[0])}; },
          .batched = batched,
          .tolerance = 4};
}

Plain plain_softmax(const Plain& x, size_t dim, bool logarithm) {
  const int64_t size = x.shape[dim];
  return build(x.shape, [&](Index i) {
    const double own = x.at(i);
    double most = -INFINITY, total = 0;
    for (i[dim] = 0; i[dim] < size; ++i[dim]) most = std::max(most, x.at(i));
    for (i[dim] = 0; i[dim] < size; ++i[dim]) total += std::exp(x.at(i) - most);
    return logarithm ? own - most - std::log(total) : std::exp(own - most) / total;
  });
}

}  // namespace

std::vector<OpRow> reduction_rows() {
  const double inf = std::numeric_limits<double>::infinity();
  const auto larger = [](double a, double b) { return std::max(a, b); };
  const auto smaller = [](double a, double b) { return std::min(a, b); };
  std::vector<OpRow> rows{
      reduction(
          "sum_all", [](const Tensor& x) { return sum(x); },
          [](const Plain& x) { return plain_sum(x, {0, 1, 2, 3}, false); }),
      reduction(
          "sum_planes", [](const Tensor& x) { return sum(x, {2, -1}); },
          [](const Plain& x) { return plain_sum(x, {2, 3}, false); }, true),
      reduction(
          "sum_channels", [](const Tensor& x) { return sum(x, {0, 2, 3}, true); },
          [](const Plain& x) { return plain_sum(x, {0, 2, 3}, true); }),
      reduction(
          "mean_all", [](const Tensor& x) { return mean(x); },
          [](const Plain& x) { return plain_mean(x, {0, 1, 2, 3}, false); }),
      reduction(
          "mean_middle", [](const Tensor& x) { return mean(x, {1}); },
          [](const Plain& x) { return plain_mean(x, {1}, false); }, true),
      reduction(
          "amax", [](const Tensor& x) { return amax(x, {1, 3}, true); },
          [=](const Plain& x) { return fold(x, {1, 3}, true, -inf, larger); }, true),
      reduction(
          "amin", [](const Tensor& x) { return amin(x, {2}); },
          [=](const Plain& x) { return fold(x, {2}, false, inf, smaller); }, true),
      reduction(
          "var", [](const Tensor& x) { return var(x, {0, 2}, 1, true); },
          [](const Plain& x) {
            const Plain m = plain_mean(x, {0, 2}, true);
            return map(plain_sum(zip(x, m, [](double a, double b) { return (a - b) * (a - b); }), {0, 2}, true),
                       [](double v) { return v / 19; });
          }),
      reduction(
          "argmax", [](const Tensor& x) { return argmax(x, 2); },
          [](const Plain& x) {
            return build({4, 6, 3}, [&](const Index& i) {
              int64_t best = 0;
              for (int64_t k = 1; k < 5; ++k)
                if (x.at({i[0], i[1], k, i[2]}) > x.at({i[0], i[1], best, i[2]})) best = k;
              return static_cast<double>(best);
            });
          },
          true),
      reduction(
          "softmax", [](const Tensor& x) { return softmax(x, 1); },
          [](const Plain& x) { return plain_softmax(x, 1, false); }, true),
      reduction(
          "softmax_last", [](const Tensor& x) { return softmax(x); },
          [](const Plain& x) { return plain_softmax(x, 3, false); }, true),
      reduction(
          "log_softmax", [](const Tensor& x) { return log_softmax(x * 3.0, 1); },
          [](const Plain& x) { return plain_softmax(map(x, [](double v) { return 3 * v; }), 1, true); }, true),
  };
  for (OpRow& row : rows)
    if (row.name == "argmax") row.gradient = Gradient::none;
  return rows;
}

}  // namespace ingot::test
