#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "base/philox.h"
#include "ingot/init.h"
#include "ingot/ops.h"
#include "nn/draw.h"
#include "nn/orthonormal.h"

// Initialisers that give a tensor structure, not only a distribution.
namespace ingot {
namespace {

/// As a matrix of size(0) rows.
struct Matrix {
  int64_t rows, columns;
};

Matrix matrix_of(std::string_view who, const Tensor& x) {
  CHECK(x.rank() == 2, "{} is for two dimensions, this tensor is {}", who, to_string(x.shape()));
  return {x.size(0).value(), x.size(1).value()};
}

std::vector<double> transposed(const std::vector<double>& values, const Matrix& from) {
  std::vector<double> out(values.size());
  for (int64_t r = 0; r < from.rows; ++r)
    for (int64_t c = 0; c < from.columns; ++c)
      out[static_cast<size_t>(c * from.rows + r)] = values[static_cast<size_t>(r * from.columns + c)];
  return out;
}

}  // namespace

Tensor eye_(Tensor x) {
  const Matrix m = matrix_of("eye_", x);
  std::vector<double> values(static_cast<size_t>(m.rows * m.columns));
  for (int64_t i = 0; i < std::min(m.rows, m.columns); ++i) values[static_cast<size_t>(i * m.columns + i)] = 1;
  copy_into(x, from_vector(values, x.shape()));
  return x;
}

Tensor dirac_(Tensor x, int64_t groups) {
  CHECK(x.rank() >= 3 && x.rank() <= 5, "dirac_ is for 3 to 5 dimensions, this tensor is {}", to_string(x.shape()));
  const int64_t outputs = x.size(0).value(), inputs = x.size(1).value();
  CHECK(groups > 0 && outputs % groups == 0, "dirac_: {} outputs do not divide into {} groups", outputs, groups);
  int64_t field = 1, centre = 0;  // row-major over the kernel
  for (int64_t d = 2; d < x.rank(); ++d) {
    centre = centre * x.size(d).value() + x.size(d).value() / 2;
    field *= x.size(d).value();
  }
  std::vector<double> values(static_cast<size_t>(outputs * inputs * field));
  const int64_t of_group = outputs / groups;
  for (int64_t o = 0; o < outputs; ++o)
    if (const int64_t i = o % of_group; i < inputs) values[static_cast<size_t>((o * inputs + i) * field + centre)] = 1;
  copy_into(x, from_vector(values, x.shape()));
  return x;
}

Tensor orthogonal_(Tensor x, double gain, MaybeKey key) {
  CHECK(x.rank() >= 2, "orthogonal_ needs two dimensions or more, this tensor is {}", to_string(x.shape()));
  if (x.numel() == 0) return x;
  const Matrix m{x.size(0).value(), x.numel().value() / x.size(0).value()};
  const bool tall = m.rows >= m.columns;
  auto values = normal({m.rows, m.columns}, 0, 1, key_or_next(key), DType::f64).to_vector<double>();
  if (tall) values = transposed(values, m);
  orthonormalise(values, std::min(m.rows, m.columns), std::max(m.rows, m.columns));
  if (tall) values = transposed(values, {m.columns, m.rows});
  for (double& v : values) v *= gain;
  copy_into(x, from_vector(values, x.shape()));
  return x;
}

Tensor sparse_(Tensor x, const SparseOptions& options, MaybeKey maybe_key) {
  const Matrix m = matrix_of("sparse_", x);
  CHECK(options.sparsity >= 0 && options.sparsity <= 1, "sparse_ with sparsity {}: it must be from 0 to 1",
        options.sparsity);
  const RandomKey key = key_or_next(maybe_key), order_key = fold_in(key, 1);
  const auto zeros = static_cast<int64_t>(std::ceil(options.sparsity * static_cast<double>(m.rows)));
  auto values = normal_(empty(x.shape(), drawn_dtype(x)), 0, options.std, key).to_vector<double>();
  std::vector<std::pair<uint32_t, int64_t>> order(static_cast<size_t>(m.rows));
  for (int64_t c = 0; c < m.columns; ++c) {
    for (int64_t r = 0; r < m.rows; ++r)
      order[static_cast<size_t>(r)] = {philox(order_key, static_cast<uint64_t>(r * m.columns + c))[0], r};
    std::sort(order.begin(), order.end());
    for (int64_t i = 0; i < zeros; ++i)
      values[static_cast<size_t>(order[static_cast<size_t>(i)].second * m.columns + c)] = 0;
  }
  copy_into(x, from_vector(values, x.shape()));
  return x;
}

}  // namespace ingot
