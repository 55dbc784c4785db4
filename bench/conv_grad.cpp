// What training does with each convolution of a net: the forward pass with weights that change, the gradient of the
// input and that of the weight, each by the kernels that there are, beside oneDNN's, all channels-last. Usage:
// bench_conv_grad [NET [BATCH [ROUNDS]]]: resnet50, batch 8. Milliseconds; "chosen" is the kernel that conv2d and its
// gradients take. Layers of the same sizes are timed once; the sums count each.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <iterator>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include <fmt/format.h>

#include "base/check.h"
#include "base/parallel.h"
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

/// A kernel on a layer: nothing where it does not run it.
struct Run {
  size_t scratch = 0;
  std::function<void(void*)> call;
};

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

constexpr const char* kKernels[] = {"oneDNN", "products", "F(2,3)", "F(4,3)", "chosen"};
constexpr const char* kPasses[] = {"forward", "input", "weight"};

std::vector<Run> forward_runs(const Problem& p) {
  const ConvArgs a = p.forward();
  std::vector<Run> runs{{conv_onednn_scratch(a), [a](void* s) { conv_onednn(a, s); }}, {}, {}, {}};
  if (conv_gemm_supports(a)) runs[1] = {conv_gemm_unpacked_scratch(a), [a](void* s) { conv_gemm_unpacked(a, s); }};
  for (const int m : {2, 4})
    if (conv_winograd_supports(a))
      runs[static_cast<size_t>(1 + m / 2)] = {conv_winograd_unpacked_scratch(m, a),
                                              [a, m](void* s) { conv_winograd_unpacked(m, a, s); }};
  runs.push_back({conv2d_scratch(a), [a](void* s) { conv2d(a, s); }});
  return runs;
}

std::vector<Run> input_runs(const Problem& p) {
  const auto& [g, w, c, dx] = std::tie(p.g, p.weight, p.geometry, p.x);
  std::vector<Run> runs{{conv_onednn_grad_input_scratch(g, w, c, dx),
                         [&p](void* s) { conv_onednn_grad_input(p.g, p.weight, p.geometry, p.x, s); }},
                        {},
                        {},
                        {}};
  if (conv_gemm_grad_input_supports(g, w, c, dx))
    runs[1] = {conv_gemm_grad_input_scratch(g, w, c, dx),
               [&p](void* s) { conv_gemm_grad_input(p.g, p.weight, p.geometry, p.x, s); }};
  for (const int m : {2, 4})
    if (conv_winograd_grad_supports(dx, w, g, c))
      runs[static_cast<size_t>(1 + m / 2)] = {conv_winograd_grad_input_scratch(m, g, w, c, dx), [&p, m](void* s) {
                                                conv_winograd_grad_input(m, p.g, p.weight, p.geometry, p.x, s);
                                              }};
  runs.push_back({conv2d_grad_input_scratch(g, w, c, dx),
                  [&p](void* s) { conv2d_grad_input(p.g, p.weight, p.geometry, p.x, s); }});
  return runs;
}

std::vector<Run> weight_runs(const Problem& p) {
  const auto& [x, g, c, dw] = std::tie(p.x, p.g, p.geometry, p.weight);
  std::vector<Run> runs{{conv_onednn_grad_weight_scratch(x, g, c, dw),
                         [&p](void* s) { conv_onednn_grad_weight(p.x, p.g, p.geometry, p.weight, s); }},
                        {},
                        {},
                        {}};
  if (conv_gemm_grad_weight_supports(x, g, dw))
    runs[1] = {conv_gemm_grad_weight_scratch(x, g, c, dw),
               [&p](void* s) { conv_gemm_grad_weight(p.x, p.g, p.geometry, p.weight, s); }};
  for (const int m : {2, 4})
    if (conv_winograd_grad_supports(x, dw, g, c))
      runs[static_cast<size_t>(1 + m / 2)] = {conv_winograd_grad_weight_scratch(m, x, g, c, dw), [&p, m](void* s) {
                                                conv_winograd_grad_weight(m, p.x, p.g, p.geometry, p.weight, s);
                                              }};
  runs.push_back({conv2d_grad_weight_scratch(x, g, c, dw),
                  [&p](void* s) { conv2d_grad_weight(p.x, p.g, p.geometry, p.weight, s); }});
  return runs;
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
std::vector<double> measure(const std::vector<Run>& runs, const Values<float>& result, const char* pass, int rounds) {
  std::vector<Values<std::byte>> scratch;
  for (const Run& run : runs) scratch.emplace_back(run.scratch);
  std::vector<Side> sides;
  Values<float> expected;
  for (size_t i = 0; i < runs.size(); ++i) {
    if (!runs[i].call) continue;
    runs[i].call(scratch[i].data());
    if (expected.empty()) expected = result;
    check_near(expected, result, kKernels[i], pass);
    sides.push_back({kKernels[i], [&runs, &scratch, i](int steps) {
                       return fastest(
                           steps, [&] { return std::vector{milliseconds([&] { runs[i].call(scratch[i].data()); })}; });
                     }});
  }
  alternate(sides, rounds, 2);
  std::vector<double> times(runs.size(), std::numeric_limits<double>::infinity());
  for (size_t i = 0, at = 0; i < runs.size(); ++i)
    if (runs[i].call) times[i] = sides[at++].best[0];
  return times;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string net = argc > 1 ? argv[1] : "resnet50";
  const int64_t batch = argc > 2 ? std::stoll(argv[2]) : 8;
  const int rounds = argc > 3 ? std::stoi(argv[3]) : 3;
  adopt_thread_count();
  std::printf("%s, batch %lld, %d threads; milliseconds\n%-34s %5s %8s", net.c_str(), static_cast<long long>(batch),
              num_threads(), "convolution", "times", "pass");
  for (const char* kernel : kKernels) std::printf(" %9s", kernel);
  std::printf("\n");
  double onednn[std::size(kPasses)] = {}, chosen[std::size(kPasses)] = {};
  for (const Layer& l : layers_of(net, batch)) {
    const Problem p(l);
    const std::string name =
        fmt::format("{}x{}x{} -> {}, {}x{}/{}{}", l.x[1], l.x[2], l.x[3], l.y[1], l.weight[2], l.weight[3],
                    l.geometry.stride.h, l.geometry.groups > 1 ? fmt::format(", {} groups", l.geometry.groups) : "");
    const std::vector<Run> runs[] = {forward_runs(p), input_runs(p), weight_runs(p)};
    const Values<float>* const results[] = {&p.g_values, &p.x_values, &p.weight_values};
    for (size_t pass = 0; pass < std::size(kPasses); ++pass) {
      if (pass == 1 && l.x[1] == 3) continue;  // no gradient of the images is asked for
      const std::vector<double> times = measure(runs[pass], *results[pass], kPasses[pass], rounds);
      std::printf("%-34s %5d %8s", pass == 0 ? name.c_str() : "", l.count, kPasses[pass]);
      for (const double t : times) std::isinf(t) ? std::printf(" %9s", "-") : std::printf(" %9.3f", t);
      std::printf("\n");
      onednn[pass] += l.count * times.front(), chosen[pass] += l.count * times.back();
    }
  }
  for (size_t pass = 0; pass < std::size(kPasses); ++pass)
    std::printf("all, %s: oneDNN %.1f, chosen %.1f: %.2f times as fast\n", kPasses[pass], onednn[pass], chosen[pass],
                onednn[pass] / chosen[pass]);
}
