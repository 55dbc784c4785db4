// The cost of one call: a chain of a million one-element adds, tape built and freed. Prints nanoseconds a call.
#include <chrono>
#include <cstdio>

#include "ingot/ops.h"

namespace {

double chain(const ingot::Tensor& x, int calls) {
  const auto start = std::chrono::steady_clock::now();
  {
    ingot::Tensor y = x;
    for (int i = 0; i < calls; ++i) y = y + x;
  }
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() / calls;
}

}  // namespace

int main() {
  constexpr int kCalls = 1000000, kRounds = 5;
  ingot::Tensor x = ingot::ones({1});
  double plain = 1e9, taped = 1e9;
  for (int round = 0; round < kRounds; ++round) {
    x.set_requires_grad(false);
    plain = std::min(plain, chain(x, kCalls));
    x.set_requires_grad(true);
    taped = std::min(taped, chain(x, kCalls));
  }
  std::printf("add of one element: %.0f ns a call without, %.0f ns with the tape built and freed\n", plain, taped);
}
