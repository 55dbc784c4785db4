#include "cli/difference.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "ingot/ops.h"

namespace ingot::cli {
namespace {

/// 0 where both are the same, infinities and NaN included.
double distance(double a, double b) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return 0;
  const double d = std::fabs(a - b);
  return std::isfinite(d) ? d : std::numeric_limits<double>::infinity();
}

}  // namespace

void Difference::add(const Tensor& a, const Tensor& b) {
  CHECK(a.shape() == b.shape(), "results differ in shape: {} and {}", to_string(a.shape()), to_string(b.shape()));
  const auto x = a.to_vector<double>(), y = b.to_vector<double>();
  for (size_t i = 0; i < x.size(); ++i) {
    const double d = distance(x[i], y[i]);
    squares_ += d * d;
    if (std::isfinite(x[i])) reference_ += x[i] * x[i];
    max_abs_ = std::max(max_abs_, d);
  }
  count_ += static_cast<int64_t>(x.size());
}

double Difference::rel_rms() const {
  if (squares_ == 0) return 0;
  return reference_ > 0 ? std::sqrt(squares_ / reference_) : std::numeric_limits<double>::infinity();
}

int64_t agreeing_rows(const Tensor& a, const Tensor& b) {
  const auto x = argmax(a, 1).to_vector<int64_t>(), y = argmax(b, 1).to_vector<int64_t>();
  int64_t same = 0;
  for (size_t i = 0; i < x.size(); ++i) same += x[i] == y[i];
  return same;
}

}  // namespace ingot::cli
