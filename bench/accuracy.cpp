// How far each convolution kernel's sums are from those in f64, on normal data: oneDNN's, our products, and what fast
// math adds, Winograd's filtering. Prints rows of docs/accuracy.md: the root mean square of the error, and
// behind it the largest error of a value, both relative to the root mean square of the results. Usage: bench_accuracy.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/isa.h"
#include "base/parallel.h"
#include "conv_kernels.h"
#include "ingot/threads.h"

namespace {

using namespace ingot;
using kernels::ConvArgs;

constexpr int64_t kOutputs = 32;

struct Kind {
  Pair kernel;
  int64_t stride = 1;
};

/// One convolution of `channels` whose result is a square plane.
struct Problem {
  std::vector<int64_t> x, weight, y;
  ConvGeometry geometry;

  Problem(const Kind& kind, int64_t channels, int64_t side)
      : x{1, channels, side * kind.stride, side * kind.stride},
        weight{kOutputs, channels, kind.kernel.h, kind.kernel.w},
        y{1, kOutputs, side, side},
        geometry{.stride = kind.stride,
                 .padding = {kind.kernel.h / 2, kind.kernel.w / 2, kind.kernel.h / 2, kind.kernel.w / 2}} {}
};

template <class T>
ConvArgs args_of(const Problem& p, Values<T>& x, Values<T>& weight, Values<T>& y) {
  return {.x = channels_last(x, p.x),
          .weight = channels_last(weight, p.weight),
          .geometry = p.geometry,
          .y = channels_last(y, p.y)};
}

Values<double> in_f64(const Problem& p, const Values<float>& x, const Values<float>& weight) {
  Values<double> x64(x.begin(), x.end()), weight64(weight.begin(), weight.end());
  Values<double> y(static_cast<size_t>(p.y[1] * p.y[2] * p.y[3]));
  kernels::conv2d_reference(args_of(p, x64, weight64, y));
  return y;
}

struct Error {
  double rms = 0, largest = 0;  // relative to the results' root mean square
};

Error error_of(const Values<float>& got, const Values<double>& exact) {
  double squares = 0, size = 0, largest = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    const double error = std::abs(got[i] - exact[i]);
    squares += error * error, size += exact[i] * exact[i];
    largest = std::max(largest, error);
  }
  return {std::sqrt(squares / size), largest / std::sqrt(size / static_cast<double>(exact.size()))};
}

void print_row(const Kind& kind, int64_t channels, int64_t side) {
  const Problem p(kind, channels, side);
  Values<float> x = random_values(p.x, 1), weight = random_values(p.weight, 1), y;
  const Values<double> exact = in_f64(p, x, weight);
  const ConvArgs args = args_of(p, x, weight, y);
  const std::string name =
      fmt::format("{}x{}{}", kind.kernel.h, kind.kernel.w, kind.stride == 1 ? "" : fmt::format("/{}", kind.stride));
  std::printf("| %s | %4lld | %3lld |", name.c_str(), static_cast<long long>(channels), static_cast<long long>(side));
  for (const ConvKernel& k : conv_kernels()) {
    if (!k.supports(args)) {
      std::printf(" %16s |", "");
      continue;
    }
    const Error error = error_of(ConvRun(k, args).result(), exact);
    std::printf(" %.1e, %.1e |", error.rms, error.largest);
  }
  std::printf("\n");
}

}  // namespace

int main() {
  adopt_thread_count();
  std::printf("%s, %s, %d threads; errors relative to the results' root mean square: root mean square, largest\n",
              cpu_name().c_str(), std::string(name_of(active_isa())).c_str(), num_threads());
  std::printf("| kernel | channels | plane |");
  for (const ConvKernel& k : conv_kernels()) std::printf(" %-16s |", k.name.c_str());
  std::printf("\n");
  for (const Kind& kind : {Kind{1}, Kind{3}, Kind{3, 2}, Kind{{1, 3}}, Kind{{1, 7}}})
    for (const int64_t channels : {16, 64, 256, 1024, 2048})
      for (const int64_t side : {7, 14, 28, 56}) print_row(kind, channels, side);
}
