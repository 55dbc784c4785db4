#include "cli/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "base/check.h"

namespace ingot::cli {
namespace {

constexpr double kTurn = 0.05;  // seconds: long enough for caches to be the function's own most of the time

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double percentile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<size_t>(at), high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (at - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

void warm_up(const std::function<void()>& fn, double seconds) {
  const double end = now() + seconds;
  do fn();
  while (now() < end);
}

/// Calls for a turn; returns the seconds that it took.
double take_turn(const std::function<void()>& fn, std::vector<double>& times) {
  const double start = now();
  double last = start;
  do {
    fn();
    const double end = now();
    times.push_back((end - last) * 1e3);
    last = end;
  } while (last - start < kTurn);
  return last - start;
}

}  // namespace

Latency latency_of(std::vector<double> times) {
  CHECK(!times.empty(), "nothing was timed");
  std::sort(times.begin(), times.end());
  return {.min = times.front(),
          .median = percentile(times, 0.5),
          .mean = std::accumulate(times.begin(), times.end(), 0.0) / static_cast<double>(times.size()),
          .p90 = percentile(times, 0.9),
          .p99 = percentile(times, 0.99)};
}

std::vector<std::vector<double>> measure_alternating(const std::vector<std::function<void()>>& functions,
                                                     const MeasureOptions& options) {
  for (const auto& fn : functions) warm_up(fn, options.warmup);
  std::vector<std::vector<double>> times(functions.size());
  std::vector<double> spent(functions.size());
  for (bool more = true; more;) {
    more = false;
    for (size_t i = 0; i < functions.size(); ++i) {
      if (spent[i] >= options.duration && !times[i].empty()) continue;
      spent[i] += take_turn(functions[i], times[i]);
      more |= spent[i] < options.duration;
    }
  }
  return times;
}

}  // namespace ingot::cli
