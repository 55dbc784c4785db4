#include <cmath>

#include "ops/op_row.h"

namespace ingot::test {
namespace {

using Index = std::vector<int64_t>;

struct Stats {
  Plain mean, var;
};

Stats stats_of(const Plain& x) {
  const int64_t channels = x.shape[1];
  const double count = static_cast<double>(x.numel() / channels);
  Stats s{{{channels}, std::vector<double>(static_cast<size_t>(channels))},
          {{channels}, std::vector<double>(static_cast<size_t>(channels))}};
  each_index(x.shape, [&](const Index& i) { s.mean.values[static_cast<size_t>(i[1])] += x.at(i) / count; });
  each_index(x.shape, [&](const Index& i) {
    s.var.values[static_cast<size_t>(i[1])] += std::pow(x.at(i) - s.mean.at({i[1]}), 2) / count;
  });
  return s;
}

Plain normalise(const Plain& x, const Stats& s, const Plain* gamma, const Plain* beta, double eps) {
  return build(x.shape, [&](const Index& i) {
    const double y = (x.at(i) - s.mean.at({i[1]})) / std::sqrt(s.var.at({i[1]}) + eps);
    return y * (gamma ? gamma->at({i[1]}) : 1) + (beta ? beta->at({i[1]}) : 0);
  });
}

/// Lines of n consecutive elements, each with its own mean and variance.
Plain normalise_lines(const Plain& x, int64_t n, double eps) {
  Plain y = x;
  for (auto line = y.values.begin(); line != y.values.end(); line += n) {
    double mean = 0, var = 0;
    for (int64_t i = 0; i < n; ++i) mean += line[i] / static_cast<double>(n);
    for (int64_t i = 0; i < n; ++i) var += std::pow(line[i] - mean, 2) / static_cast<double>(n);
    for (int64_t i = 0; i < n; ++i) line[i] = (line[i] - mean) / std::sqrt(var + eps);
  }
  return y;
}
Plain affine(const Plain& y, const std::vector<Plain>& in, const std::function<Index(const Index&)>& place) {
  return build(y.shape, [&](const Index& i) { return y.at(i) * in[1].at(place(i)) + in[2].at(place(i)); });
}

}  // namespace

std::vector<OpRow> normalisation_rows() {
  const Input x{4, 6, 5, 3}, channel{6}, positive({6}, Input::positive);
  const double eps = 1e-3;
  std::vector<OpRow> rows;
  rows.push_back({.name = "batch_norm_train",
                  .inputs = {x, channel, channel},
                  .run = [=](const Tensors& in) { return Tensors{batch_norm_train(in[0], in[1], in[2], eps).y}; },
                  .reference =
                      [=](const std::vector<Plain>& in) {
                        const Stats s = stats_of(in[0]);
                        return std::vector{normalise(in[0], s, &in[1], &in[2], eps)};
                      },
                  .batched = false,
                  .dtypes = {DType::f64, DType::f32},
                  .tolerance = 4});
  rows.push_back({.name = "batch_norm_train_plain",
                  .inputs = {Input{7, 6}},
                  .run = [=](const Tensors& in) { return Tensors{batch_norm_train(in[0], {}, {}, eps).y}; },
                  .reference =
                      [=](const std::vector<Plain>& in) {
                        const Stats s = stats_of(in[0]);
                        return std::vector{normalise(in[0], s, nullptr, nullptr, eps)};
                      },
                  .batched = false,
                  .dtypes = {DType::f64, DType::f32},
                  .tolerance = 4});
  rows.push_back(
      {.name = "batch_norm_train_fused",
       .inputs = {x, channel, channel, x},
       .run =
           [=](const Tensors& in) { return Tensors{batch_norm_train_fused(in[0], in[1], in[2], in[3], true, eps).y}; },
       .reference =
           [=](const std::vector<Plain>& in) {
             const Stats s = stats_of(in[0]);
             const Plain y = zip(normalise(in[0], s, &in[1], &in[2], eps), in[3], std::plus<>());
             return std::vector{map(y, [](double v) { return std::max(v, 0.0); })};
           },
       .batched = false,
       .dtypes = {DType::f64, DType::f32},
       .tolerance = 4});
  rows.push_back({.name = "batch_norm_statistics",
                  .inputs = {x},
                  .run =
                      [=](const Tensors& in) {
                        const BatchNormResult r = batch_norm_train(in[0], {}, {}, eps);
                        return Tensors{r.mean, r.var};
                      },
                  .reference =
                      [=](const std::vector<Plain>& in) {
                        const Stats s = stats_of(in[0]);
                        return std::vector{s.mean, s.var};
                      },
                  .gradient = Gradient::none,
                  .batched = false,
                  .dtypes = {DType::f64, DType::f32}});
  rows.push_back({.name = "batch_norm",
                  .inputs = {x, channel, positive, channel, channel},
                  .run = [=](const Tensors& in) { return Tensors{batch_norm(in[0], in[1], in[2], in[3], in[4], eps)}; },
                  .reference =
                      [=](const std::vector<Plain>& in) {
                        return std::vector{normalise(in[0], {in[1], in[2]}, &in[3], &in[4], eps)};
                      },
                  .dtypes = {DType::f64, DType::f32},
                  .tolerance = 4});
  rows.push_back(
      {.name = "batch_norm_relu",
       .inputs = {x, channel, positive, channel, channel},
       .run = [=](const Tensors& in) { return Tensors{batch_norm_relu(in[0], in[1], in[2], in[3], in[4], eps)}; },
       .reference =
           [=](const std::vector<Plain>& in) {
             const Plain y = normalise(in[0], {in[1], in[2]}, &in[3], &in[4], eps);
             return std::vector{map(y, [](double v) { return std::max(v, 0.0); })};
           },
       .dtypes = {DType::f64, DType::f32},
       .tolerance = 4});
  rows.push_back({.name = "dropout_keeps_all",
                  .inputs = {x},
                  .run = [](const Tensors& in) { return Tensors{dropout(in[0], 0.0, RandomKey{5})}; },
                  .reference = [](const std::vector<Plain>& in) { return std::vector{in[0]}; }});
  rows.push_back({.name = "dropout",
                  .inputs = {x},
                  .run = [](const Tensors& in) { return Tensors{dropout(in[0], 0.4, RandomKey{5}, 11)}; },
                  .reference =
                      [](const std::vector<Plain>& in) {
                        // which are kept: from ones, whose kept elements are not zero
                        const Plain mask = plain(dropout(ones({4, 6, 5, 3}, DType::f64), 0.4, RandomKey{5}, 11));
                        return std::vector{zip(in[0], mask, [](double v, double m) { return m != 0 ? v / 0.6 : 0; })};
                      },
                  .tolerance = 4});
  const auto add = [&](std::string name, std::vector<Input> inputs, std::function<Tensor(const Tensors&)> run,
                       std::function<Plain(const std::vector<Plain>&)> reference) {
    rows.push_back({.name = std::move(name),
                    .inputs = std::move(inputs),
                    .run = [run](const Tensors& in) { return Tensors{run(in)}; },
                    .reference = [reference](const std::vector<Plain>& in) { return std::vector{reference(in)}; },
                    .tolerance = 4});
  };
  add(
      "layer_norm", {Input{4, 6, 21}, Input{21}, Input{21}},
      [=](const Tensors& in) { return layer_norm(in[0], {21}, in[1], in[2], eps); },
      [=](const std::vector<Plain>& in) {
        return affine(normalise_lines(in[0], 21, eps), in, [](const Index& i) { return Index{i[2]}; });
      });
  add(
      "layer_norm_plain", {x}, [=](const Tensors& in) { return layer_norm(in[0], {5, 3}, {}, {}, eps); },
      [=](const std::vector<Plain>& in) { return normalise_lines(in[0], 15, eps); });
  add(
      "layer_norm_scaled", {Input{4, 5, 3}, Input{5, 3}},
      [=](const Tensors& in) { return layer_norm(in[0], {5, 3}, in[1], {}, eps); },
      [=](const std::vector<Plain>& in) { return zip(normalise_lines(in[0], 15, eps), in[1], std::multiplies<>()); });
  add(
      "group_norm", {x, channel, channel}, [=](const Tensors& in) { return group_norm(in[0], 2, in[1], in[2], eps); },
      [=](const std::vector<Plain>& in) {
        return affine(normalise_lines(in[0], 45, eps), in, [](const Index& i) { return Index{i[1]}; });
      });
  add(
      "instance_norm", {x, channel, channel},
      [=](const Tensors& in) { return instance_norm(in[0], in[1], in[2], eps); },
      [=](const std::vector<Plain>& in) {
        return affine(normalise_lines(in[0], 15, eps), in, [](const Index& i) { return Index{i[1]}; });
      });
  return rows;
}

}  // namespace ingot::test
