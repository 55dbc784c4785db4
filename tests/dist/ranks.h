#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "ingot/communicator.h"
#include "ingot/launch.h"
#include "ingot/ops.h"

namespace ingot::test {

/// Runs the body on so many ranks: threads of this process, or, where mpirun started the tests, its processes, if they
/// are as many.
inline void on_ranks(int ranks, const std::function<void()>& body) {
  const CommunicatorOptions options{.deadline = std::chrono::seconds(20)};
  if (!is_launched()) return run_as_ranks(ranks, body, options);
  if (world().size() == ranks) body();
}

/// The largest difference, relative to the largest value of `truth` but at least to `least`.
inline double difference(const Tensor& x, const Tensor& truth, double least = 1e-30) {
  EXPECT_EQ(to_string(x.shape()), to_string(truth.shape()));
  const auto a = x.to_vector<double>(), b = truth.to_vector<double>();
  double worst = 0, scale = least;
  for (size_t i = 0; i < b.size(); ++i) {
    worst = std::isnan(a[i]) ? INFINITY : std::max(worst, std::abs(a[i] - b[i]));
    scale = std::max(scale, std::abs(b[i]));
  }
  return worst / scale;
}

/// Rank r's part of dimension 0 where rank i has sizes[i].
inline Tensor part_of(const Tensor& x, const std::vector<int64_t>& sizes, int rank) {
  int64_t begin = 0;
  for (int r = 0; r < rank; ++r) begin += sizes[static_cast<size_t>(r)];
  return contiguous(slice(x, 0, begin, begin + sizes[static_cast<size_t>(rank)]));
}

}  // namespace ingot::test
