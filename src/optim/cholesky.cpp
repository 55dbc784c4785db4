#include "optim/cholesky.h"

#include <cmath>

#include "base/check.h"

namespace ingot {
namespace {

/// In eight sums, which do not wait for one another.
double dot(const double* a, const double* b, int64_t n) {
  constexpr int64_t kSums = 8;
  double sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums <= n; i += kSums)
    for (int64_t k = 0; k < kSums; ++k) sums[k] += a[i + k] * b[i + k];
  double rest = 0;
  for (; i < n; ++i) rest += a[i] * b[i];
  for (const double s : sums) rest += s;
  return rest;
}

}  // namespace

Cholesky::Cholesky(std::vector<double> matrix, int64_t n) : lower_(std::move(matrix)), n_(n) {
  for (int64_t i = 0; i < n; ++i) {
    double* const row = &lower_[static_cast<size_t>(i * n)];
    for (int64_t j = 0; j < i; ++j) {
      const double* const above = &lower_[static_cast<size_t>(j * n)];
      row[j] = (row[j] - dot(row, above, j)) / above[j];
    }
    const double left = row[i] - dot(row, row, i);
    CHECK(left > 0, "the matrix is not positive definite: pivot {} is {}", i, left);
    row[i] = std::sqrt(left);
  }
}

void Cholesky::solve(double* b) const {
  for (int64_t i = 0; i < n_; ++i) {
    const double* const row = &lower_[static_cast<size_t>(i * n_)];
    b[i] = (b[i] - dot(row, b, i)) / row[i];
  }
  for (int64_t i = n_ - 1; i >= 0; --i) {
    const double* const row = &lower_[static_cast<size_t>(i * n_)];
    b[i] /= row[i];
    for (int64_t j = 0; j < i; ++j) b[j] -= b[i] * row[j];
  }
}

}  // namespace ingot
