#pragma once

#include <cmath>
#include <numbers>

namespace ingot {

/// The standard normal distribution function; precise to the last digits also where it is tiny.
inline double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

/// The x of which normal_cdf(x) = p, for 0 < p < 1. Wichura 1988, Algorithm AS 241 (PPND16): relative error 1e-16.
double normal_quantile(double p);

}  // namespace ingot
