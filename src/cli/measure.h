#pragma once

#include <functional>
#include <string>
#include <vector>

namespace ingot::cli {

/// Of the times of single calls, in milliseconds.
struct Latency {
  double min = 0, median = 0, mean = 0, p90 = 0, p99 = 0;
};
/// Percentiles are linear between neighbours, as numpy's. Throws Error for no times.
Latency latency_of(std::vector<double> milliseconds);

struct MeasureOptions {
  double warmup = 0.2;  // seconds of each before it is timed, at least one call
  double duration = 3;  // seconds of each
};
/// The times of single calls in milliseconds of each function. They take turns of a few calls, so that all meet the
/// same moods of the machine.
std::vector<std::vector<double>> measure_alternating(const std::vector<std::function<void()>>& functions,
                                                     const MeasureOptions& options);

}  // namespace ingot::cli
