// What training does with each convolution of a net: the forward pass with weights that change, the gradient of the
// input and that of the weight, each by the kernels that there are, beside oneDNN's, all channels-last; "blocked"
// leaves the layouts of all arrays to oneDNN, reorders not counted. Usage:
// bench_conv_grad [NET [BATCH [ROUNDS [LAYERS [PASS]]]]]: resnet50, batch 8, layers whose name contains LAYERS ("1x1"),
// all passes or forward, input or weight alone. Milliseconds; "chosen" is the kernel that conv2d and its gradients
// take. Layers of the same sizes are timed once; the sums count each.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/check.h"
#include "base/parallel.h"
#include "conv_blocked.h"
#include "conv_data.h"
#include "conv_layers.h"
#include "ingot/threads.h"
#include "kernels/conv.h"
#include "kernels/conv_gemm.h"
#include "kernels/conv_gemm_grad.h"
#include "kernels/conv_onednn.h"
#include "kernels/conv_winograd.h"
#include "kernels/conv_winograd_grad.h"
#include "sides.h"

namespace {

using namespace ingot;
using namespace ingot::kernels;

/// A layer's arrays, in which every kernel computes the same.
struct Problem {
  explicit Problem(const Layer& l)
      : x_values(random_values(l.x, 1)),
        weight_values(random_values(l.weight, 0.05f)),
        g_values(random_values(l.y, 1)),
        x(channels_last(x_values, l.x)),
        weight(channels_last(weight_values, l.weight)),
        g(channels_last(g_values, l.y)),
        geometry(l.geometry) {}
  ConvArgs forward() const { return {.x = x, .weight = weight, .geometry = geometry, .y = g}; }

  Values<float> x_values, weight_values, g_values;
  Array x, weight, g;
  ConvGeometry geometry;
};

/// A kernel of a pass: what it reads, its geometry, what it writes.
struct Kernel {
  std::function<bool(const Problem&)> supports;
  std::function<size_t(const Array&, const Array&, const ConvGeometry&, const Array&)> scratch;
  std::function<void(const Array&, const Array&, const ConvGeometry&, const Array&, void*)> run;
};

constexpr const char* kKernels[] = {"oneDNN", "products", "winograd2", "winograd4", "chosen", "blocked"};
constexpr size_t kOneDnn = 0, kChosen = 4, kBlocked = 5;

/// A pass over a layer: the arrays that it reads and writes, and the kernels that compute it, but for the blocked one.
struct Pass {
  const char* name;
  ConvPass pass;
  Array Problem::*first, Problem::*second, Problem::*result;
  Values<float> Problem::* values;  // of the result
  Kernel kernels[kBlocked];
};

template <class Scratch, class Run>
Kernel forward_kernel(std::function<bool(const Problem&)> supports, const Scratch& scratch, const Run& run) {
  return {std::move(supports),
          [scratch](const Array& x, const Array& w, const ConvGeometry& c, const Array& y) {
            return scratch(ConvArgs{.x = x, .weight = w, .geometry = c, .y = y});
          },
          [run](const Array& x, const Array& w, const ConvGeometry& c, const Array& y, void* memory) {
            run(ConvArgs{.x = x, .weight = w, .geometry = c, .y = y}, memory);
          }};
}

bool always(const Problem&) { return true; }
bool can_filter(const Problem& p) { return conv_winograd_supports(4, p.forward()); }
bool can_filter_gradient(const Problem& p) { return conv_winograd_grad_supports(p.x, p.weight, p.g, p.geometry); }

const std::vector<Pass>& passes() {
  using std::bind_front;
  static const std::vector<Pass> all{
      {"forward",
       ConvPass::forward,
       &Problem::x,
       &Problem::weight,
       &Problem::g,
       &Problem::g_values,
       {forward_kernel(always, conv_onednn_scratch, conv_onednn),
        forward_kernel([](const Problem& p) { return conv_gemm_supports(p.forward()); }, conv_gemm_unpacked_scratch,
                       conv_gemm_unpacked),
        forward_kernel(can_filter, bind_front(conv_winograd_unpacked_scratch, 2),
                       bind_front(conv_winograd_unpacked, 2)),
        forward_kernel(can_filter, bind_front(conv_winograd_unpacked_scratch, 4),
                       bind_front(conv_winograd_unpacked, 4)),
        forward_kernel(always, conv2d_scratch, conv2d)}},
      {"input",
       ConvPass::input,
       &Problem::g,
       &Problem::weight,
       &Problem::x,
       &Problem::x_values,
       {{always, conv_onednn_grad_input_scratch, conv_onednn_grad_input},
        {[](const Problem& p) { return conv_gemm_grad_input_supports(p.g, p.weight, p.geometry, p.x); },
         conv_gemm_grad_input_scratch, conv_gemm_grad_input},
        {can_filter_gradient, bind_front(conv_winograd_grad_input_scratch, 2), bind_front(conv_winograd_grad_input, 2)},
        {can_filter_gradient, bind_front(conv_winograd_grad_input_scratch, 4), bind_front(conv_winograd_grad_input, 4)},
        {always, conv2d_grad_input_scratch, conv2d_grad_input}}},
      {"weight",
       ConvPass::weight,
       &Problem::x,
       &Problem::g,
       &Problem::weight,
       &Problem::weight_values,
       {{always, conv_onednn_grad_weight_scratch, conv_onednn_grad_weight},
        {[](const Problem& p) { return conv_gemm_grad_weight_supports(p.x, p.g, p.weight); },
         conv_gemm_grad_weight_scratch, conv_gemm_grad_weight},
        {can_filter_gradient, bind_front(conv_winograd_grad_weight_scratch, 2),
         bind_front(conv_winograd_grad_weight, 2)},
        {can_filter_gradient, bind_front(conv_winograd_grad_weight_scratch, 4),
         bind_front(conv_winograd_grad_weight, 4)},
        {always, conv2d_grad_weight_scratch, conv2d_grad_weight}}}};
  return all;
}

/// Relative to oneDNN's result: root mean squares.
void check_near(const Values<float>& expected, const Values<float>& got, const char* kernel, const char* pass) {
  double error = 0, size = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    error += std::pow(static_cast<double>(got[i]) - static_cast<double>(expected[i]), 2);
    size += std::pow(static_cast<double>(expected[i]), 2);
  }
  CHECK(error <= 1e-8 * size, "{} by {}: the error is {:.1e} of oneDNN's result", pass, kernel,
        std::sqrt(error / size));
}

/// Milliseconds of each kernel; infinity where it does not run the layer.
std::vector<double> measure(const Pass& pass, Problem& p, int rounds) {
  const Array &first = p.*pass.first, &second = p.*pass.second, &result = p.*pass.result;
  BlockedConv blocked(pass.pass, p.forward());
  std::vector<Values<std::byte>> scratch(kBlocked);
  std::vector<std::function<void()>> runs(std::size(kKernels));
  for (size_t i = 0; i < kBlocked; ++i) {
    const Kernel& kernel = pass.kernels[i];
    if (!kernel.supports(p)) continue;
    scratch[i].resize(kernel.scratch(first, second, p.geometry, result));
    runs[i] = [&, i] { pass.kernels[i].run(first, second, p.geometry, result, scratch[i].data()); };
  }
  runs[kBlocked] = [&] { blocked.run(); };
  std::vector<Side> sides;
  Values<float> expected;
  for (size_t i = 0; i < runs.size(); ++i) {
    if (!runs[i]) continue;
    runs[i]();
    if (i == kBlocked) blocked.copy_result();
    if (expected.empty()) expected = p.*pass.values;
    check_near(expected, p.*pass.values, kKernels[i], pass.name);
    sides.push_back({kKernels[i], [run = runs[i]](int steps) {
                       return fastest(steps, [&] { return std::vector{milliseconds(run)}; });
                     }});
  }
  alternate(sides, rounds, 2);
  std::vector<double> times(runs.size(), std::numeric_limits<double>::infinity());
  for (size_t i = 0, at = 0; i < runs.size(); ++i)
    if (runs[i]) times[i] = sides[at++].best[0];
  return times;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string net = argc > 1 ? argv[1] : "resnet50";
  const int64_t batch = argc > 2 ? std::stoll(argv[2]) : 8;
  const int rounds = argc > 3 ? std::stoi(argv[3]) : 3;
  const std::string wanted_layers = argc > 4 ? argv[4] : "", wanted_pass = argc > 5 ? argv[5] : "";
  adopt_thread_count();
  std::printf("%s, batch %lld, %d threads; milliseconds\n%-34s %5s %8s", net.c_str(), static_cast<long long>(batch),
              num_threads(), "convolution", "times", "pass");
  for (const char* kernel : kKernels) std::printf(" %9s", kernel);
  std::printf("\n");
  std::vector<std::vector<double>> all(passes().size(), std::vector<double>(std::size(kKernels)));
  for (const Layer& l : layers_of(net, batch)) {
    const std::string name =
        fmt::format("{}x{}x{} -> {}, {}x{}/{}{}", l.x[1], l.x[2], l.x[3], l.y[1], l.weight[2], l.weight[3],
                    l.geometry.stride.h, l.geometry.groups > 1 ? fmt::format(", {} groups", l.geometry.groups) : "");
    if (name.find(wanted_layers) == std::string::npos) continue;
    Problem p(l);
    for (size_t i = 0; i < passes().size(); ++i) {
      const Pass& pass = passes()[i];
      if (!wanted_pass.empty() && wanted_pass != pass.name) continue;
      if (pass.pass == ConvPass::input && l.x[1] == 3) continue;  // no gradient of the images is asked for
      const std::vector<double> times = measure(pass, p, rounds);
      std::printf("%-34s %5d %8s", i == 0 || !wanted_pass.empty() ? name.c_str() : "", l.count, pass.name);
      for (const double t : times) std::isinf(t) ? std::printf(" %9s", "-") : std::printf(" %9.3f", t);
      std::printf("\n");
      for (size_t k = 0; k < times.size(); ++k) all[i][k] += l.count * times[k];
    }
  }
  for (size_t i = 0; i < passes().size(); ++i) {
    const double onednn = all[i][kOneDnn], blocked = all[i][kBlocked], chosen = all[i][kChosen];
    if (chosen == 0) continue;
    std::printf("all, %s: oneDNN %.1f, blocked %.1f, chosen %.1f: %.2f and %.2f times as fast\n", passes()[i].name,
                onednn, blocked, chosen, onednn / chosen, blocked / chosen);
  }
}
