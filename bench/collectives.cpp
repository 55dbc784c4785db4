// Seconds of a collective over all ranks by size: the fastest and the median of several, as the slowest rank sees them.
// An all_reduce of n bytes and an all_gather of n bytes from each rank. Usage:
//   scripts/launch.sh -n 4 build/release/bench/bench_collectives [LARGEST_BYTES]
// or over a cable of a chosen speed: see scripts/two_hosts.sh. The time of small ones is the model's alpha, the slope
// of large ones its beta.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

#include "ingot/launch.h"

namespace {

using ingot::world;

constexpr int64_t kLargest = int64_t{32} << 20, kManyBytes = int64_t{1} << 20;
constexpr int kFew = 5, kMany = 50, kWarm = 2;

struct Times {
  double fastest, median;  // microseconds
};

Times time_of(int64_t bytes, const std::function<void()>& collective) {
  std::vector<double> times;
  for (int i = -kWarm; i < (bytes < kManyBytes ? kMany : kFew); ++i) {
    world().barrier();
    const auto start = std::chrono::steady_clock::now();
    collective();
    double took = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
    world().all_reduce(&took, 1, ingot::DType::f64, ingot::ReduceOp::max).wait();
    if (i >= 0) times.push_back(took);
  }
  std::sort(times.begin(), times.end());
  return {times.front(), times[times.size() / 2]};
}

}  // namespace

int main(int argc, char** argv) {
  const ingot::Launch launch;
  const int64_t largest = argc > 1 ? std::atoll(argv[1]) : kLargest;
  const int ranks = world().size();
  const bool tells = world().rank() == 0;
  if (tells)
    std::printf("%d ranks, microseconds, fastest and median\n%12s %12s %12s %12s %12s\n", ranks, "bytes", "all_reduce",
                "", "all_gather", "");
  for (int64_t bytes = 8; bytes <= largest; bytes *= 4) {
    std::vector<float> mine(static_cast<size_t>(bytes) / sizeof(float)), all(mine.size() * static_cast<size_t>(ranks));
    const auto count = static_cast<int64_t>(mine.size());
    const Times reduce = time_of(bytes, [&] { world().all_reduce(mine.data(), count, ingot::DType::f32).wait(); });
    const Times gather =
        time_of(bytes, [&] { world().all_gather(mine.data(), all.data(), count, ingot::DType::f32).wait(); });
    if (!tells) continue;
    std::printf("%12lld %12.1f %12.1f %12.1f %12.1f\n", static_cast<long long>(bytes), reduce.fastest, reduce.median,
                gather.fastest, gather.median);
    std::fflush(stdout);
  }
}
