#include "sides.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"

namespace {

void keep_least(std::vector<double>& best, const std::vector<double>& times) {
  if (best.empty()) best = times;
  CHECK(best.size() == times.size(), "a step has {} parts, then {}", best.size(), times.size());
  for (size_t i = 0; i < best.size(); ++i) best[i] = std::min(best[i], times[i]);
}

}  // namespace

void alternate(std::vector<Side>& sides, int rounds, int steps) {
  for (int round = 0; round < rounds; ++round)
    for (Side& side : sides) keep_least(side.best, side.run(steps));
}

std::vector<double> fastest(int steps, const std::function<std::vector<double>()>& step) {
  std::vector<double> best;
  for (int i = 0; i < steps; ++i) keep_least(best, step());
  return best;
}

double milliseconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}
