#include "nn/orthonormal.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/parallel.h"

namespace ingot {
namespace {

constexpr int64_t kBlock = 16;    // vectors that stay in the cache while all later ones pass
constexpr int64_t kLanes = 8;     // numbers at once, which the compiler turns into vectors
constexpr int64_t kGrain = 4096;  // numbers worth a thread

double dot(const double* a, const double* b, int64_t length) {
  std::array<double, kLanes> sums{};
  int64_t i = 0;
  for (; i + kLanes <= length; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  for (; i < length; ++i) sums[0] += a[i] * b[i];
  double sum = 0;
  for (const double s : sums) sum += s;
  return sum;
}

/// Takes the part along the unit vector q out of v.
void remove(const double* __restrict q, double* __restrict v, int64_t length) {
  const double along = dot(q, v, length);
  int64_t i = 0;
  for (; i + kLanes <= length; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) v[i + lane] -= along * q[i + lane];
  for (; i < length; ++i) v[i] -= along * q[i];
}

/// Modified Gram-Schmidt, by blocks.
void gram_schmidt(double* vectors, int64_t count, int64_t length) {
  const auto at = [&](int64_t j) { return vectors + j * length; };
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t end = std::min(begin + kBlock, count);
    for (int64_t j = begin; j < end; ++j) {
      for (int64_t i = begin; i < j; ++i) remove(at(i), at(j), length);
      const double norm = std::sqrt(dot(at(j), at(j), length));
      for (int64_t i = 0; i < length; ++i) at(j)[i] /= norm;
    }
    parallel_for(count - end, kGrain / length + 1, [&](int64_t first, int64_t last) {
      for (int64_t k = end + first; k < end + last; ++k)
        for (int64_t j = begin; j < end; ++j) remove(at(j), at(k), length);
    });
  }
}

}  // namespace

// Once leaves an error of the matrix's condition times rounding, twice of rounding alone (Giraud et al. 2005).
void orthonormalise(std::vector<double>& vectors, int64_t count, int64_t length) {
  gram_schmidt(vectors.data(), count, length);
  gram_schmidt(vectors.data(), count, length);
}

}  // namespace ingot
