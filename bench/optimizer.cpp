// An optimiser step over 25 million parameters against a copy of the same bytes, both on all threads, alternating.
// Bytes of a step: SGD with momentum reads parameter, gradient and buffer and writes parameter and buffer: 20 a
// parameter. Adam reads four and writes three: 28. The copy moves as many: half read, half written.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <vector>

#include "base/parallel.h"
#include "ingot/optim.h"

namespace {

constexpr int64_t kParameters = 25'000'000;
constexpr int kTensors = 100, kRounds = 20;

double seconds(const auto& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void measure(const char* name, ingot::Optimizer& optimizer, double bytes) {
  const auto half = static_cast<int64_t>(bytes / 2) / 64 * 64;
  std::vector<char> from(static_cast<size_t>(half), 1), to(static_cast<size_t>(half), 2);
  const auto copy = [&] {
    ingot::parallel_for(half / 64, 1, [&](int64_t begin, int64_t end) {
      std::memcpy(to.data() + begin * 64, from.data() + begin * 64, static_cast<size_t>(end - begin) * 64);
    });
  };
  optimizer.step();
  double step = 1e9, copied = 1e9;
  for (int round = 0; round < kRounds; ++round) {
    step = std::min(step, seconds([&] { optimizer.step(); }));
    copied = std::min(copied, seconds(copy));
  }
  std::printf("%-6s %.2f ms a step, %.1f GB/s over %.0f MB; copy %.2f ms, %.1f GB/s: %.0f%% of the copy's bandwidth\n",
              name, step * 1e3, bytes / step / 1e9, bytes / 1e6, copied * 1e3, bytes / copied / 1e9,
              copied / step * 100);
}

}  // namespace

int main() {
  ingot::Tensors parameters;
  for (int i = 0; i < kTensors; ++i) {
    ingot::Tensor p = ingot::uniform({kParameters / kTensors}, -1, 1, ingot::RandomKey{static_cast<uint64_t>(i)});
    p.set_requires_grad();
    p.set_grad(ingot::uniform({kParameters / kTensors}, -1, 1, ingot::RandomKey{static_cast<uint64_t>(1000 + i)}));
    parameters.push_back(p);
  }
  ingot::SGD sgd(parameters, {.lr = 1e-3, .momentum = 0.9});
  measure("SGD", sgd, 20.0 * kParameters);
  ingot::AdamW adamw(parameters, {.lr = 1e-3});
  measure("AdamW", adamw, 28.0 * kParameters);
}
