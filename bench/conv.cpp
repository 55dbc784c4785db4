// The convolutions of a net, one by one: our kernels beside oneDNN's (weights packed beforehand in the layout of its
// choice), bias and ReLU fused; "blocked" leaves the layout of activations to oneDNN too. Usage: bench_conv [NET [BATCH
// [ROUNDS]]]: resnet18, resnet50 (the default), vgg16, mobilenet_v2 or another of the zoo, batch 1. Layers of the same
// sizes are timed once; the sums count each. "strict" is the faster of oneDNN's and our products, both channels-last,
// "fast" the fastest of all that are; GFLOP/s: our products'.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/parallel.h"
#include "conv_blocked.h"
#include "conv_kernels.h"
#include "conv_layers.h"
#include "ingot/threads.h"
#include "kernels/conv.h"
#include "sides.h"

namespace {

using namespace ingot;
using kernels::ConvArgs;

/// Milliseconds of each kernel, then of oneDNN's blocked form; infinity where it does not run the layer.
std::vector<double> measure(const Layer& layer, int rounds) {
  Values<float> x = random_values(layer.x, 1), weight = random_values(layer.weight, 0.05f),
                bias = random_values({layer.weight[0]}, 1), y;
  const ConvArgs args{.x = channels_last(x, layer.x),
                      .weight = row_major(weight.data(), DType::f32,
                                          {layer.weight[0], layer.weight[1], layer.weight[2], layer.weight[3]}),
                      .bias = row_major(bias.data(), DType::f32, {layer.weight[0]}),
                      .geometry = layer.geometry,
                      .activation = Activation::relu,
                      .y = channels_last(y, layer.y)};
  std::vector<std::unique_ptr<ConvRun>> runs;
  std::vector<Side> sides;
  for (const ConvKernel& kernel : conv_kernels()) {
    if (!kernel.supports(args)) continue;
    ConvRun& run = *runs.emplace_back(std::make_unique<ConvRun>(kernel, args));
    const Values<float>&got = run.result(), &expected = runs[0]->result();
    for (size_t i = 0; i < got.size(); ++i)
      CHECK(std::abs(got[i] - expected[i]) < 1e-3 * (1 + std::abs(expected[i])), "output {} is {} by {}, oneDNN has {}",
            i, got[i], kernel.name, expected[i]);
    const int steps = std::max(2, static_cast<int>(10 / std::max(0.1, milliseconds([&] { run.run(); }))));
    sides.push_back({kernel.name, [&run, steps](int) {
                       return fastest(steps, [&] { return std::vector{milliseconds([&] { run.run(); })}; });
                     }});
  }
  Values<float> blocked_y(static_cast<size_t>(args.y.numel()));
  ConvArgs blocked_args = args;
  blocked_args.y = channels_last(blocked_y, layer.y);
  BlockedConv blocked(ConvPass::forward, blocked_args);
  blocked.run();
  sides.push_back({"blocked", [&blocked](int) {
                     return fastest(3, [&] { return std::vector{milliseconds([&] { blocked.run(); })}; });
                   }});
  alternate(sides, rounds, 1);
  std::vector<double> times(conv_kernels().size() + 1, std::numeric_limits<double>::infinity());
  times.back() = sides.back().best[0];
  for (size_t k = 0, at = 0; k < conv_kernels().size(); ++k)
    if (at < sides.size() && sides[at].name == conv_kernels()[k].name) times[k] = sides[at++].best[0];
  return times;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string net = argc > 1 ? argv[1] : "resnet50";
  const int64_t batch = argc > 2 ? std::stoll(argv[2]) : 1;
  const int rounds = argc > 3 ? std::stoi(argv[3]) : 5;
  adopt_thread_count();
  std::printf("%s, batch %lld, %d threads; milliseconds\n%-34s %5s", net.c_str(), static_cast<long long>(batch),
              num_threads(), "convolution", "times");
  for (const ConvKernel& k : conv_kernels()) std::printf(" %9s", k.name.c_str());
  std::printf(" %9s %9s\n", "blocked", "GFLOP/s");
  double onednn = 0, blocked = 0, strict = 0, fast = 0, pointwise[3] = {0, 0, 0};
  for (const Layer& l : layers_of(net, batch)) {
    const std::vector<double> times = measure(l, rounds);
    const double flop = 2e-6 * static_cast<double>(l.y[0] * l.y[1] * l.y[2] * l.y[3]) *
                        static_cast<double>(l.weight[1] * l.weight[2] * l.weight[3]);
    const std::string name =
        fmt::format("{}x{}x{} -> {}, {}x{}/{}{}", l.x[1], l.x[2], l.x[3], l.y[1], l.weight[2], l.weight[3],
                    l.geometry.stride.h, l.geometry.groups > 1 ? fmt::format(", {} groups", l.geometry.groups) : "");
    std::printf("%-34s %5d", name.c_str(), l.count);
    for (const double t : times) std::isinf(t) ? std::printf(" %9s", "-") : std::printf(" %9.3f", t);
    std::printf(" %9.1f\n", flop / times[1]);
    onednn += l.count * times[0], blocked += l.count * times.back();
    strict += l.count * std::min(times[0], times[1]);
    fast += l.count * *std::min_element(times.begin(), times.end() - 1);
    if (l.weight[2] * l.weight[3] > 1 || l.geometry.groups > 1) continue;
    pointwise[0] += l.count * times[0], pointwise[1] += l.count * times.back(), pointwise[2] += l.count * times[1];
  }
  std::printf(
      "all: oneDNN %.2f, blocked %.2f, strict %.2f, fast %.2f: %.2f and %.2f times as fast as oneDNN's better\n",
      onednn, blocked, strict, fast, std::min(onednn, blocked) / strict, std::min(onednn, blocked) / fast);
  if (pointwise[2] > 0)
    std::printf("1x1: oneDNN %.2f, blocked %.2f, products %.2f: %.2f times as fast as oneDNN channels-last\n",
                pointwise[0], pointwise[1], pointwise[2], pointwise[0] / pointwise[2]);
}
