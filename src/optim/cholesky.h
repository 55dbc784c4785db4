#pragma once

#include <cstdint>
#include <vector>

namespace ingot {

/// The lower factor of a symmetric positive definite matrix, for solving with it. The matrix is row-major, n x n; its
/// lower half is read.
class Cholesky {
 public:
  Cholesky() = default;
  /// Throws Error where the matrix is not positive definite.
  Cholesky(std::vector<double> matrix, int64_t n);
  /// x = A^-1 b, in place.
  void solve(double* b) const;

 private:
  std::vector<double> lower_;
  int64_t n_ = 0;
};

}  // namespace ingot
