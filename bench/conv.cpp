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

#include <dnnl.hpp>

#include "base/check.h"
#include "base/parallel.h"
#include "conv_kernels.h"
#include "conv_layers.h"
#include "ingot/threads.h"
#include "kernels/conv.h"
#include "sides.h"

namespace {

using namespace ingot;
using kernels::ConvArgs;

/// oneDNN with the layout of its choice for activations too, which are blocked then: what the others would have to beat
/// if reorders were free.
class Blocked {
 public:
  Blocked(const ConvArgs& a, const Layer& layer) : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    using dnnl::memory;
    const auto any = [](const std::vector<int64_t>& sizes) {
      return memory::desc(sizes, memory::data_type::f32, memory::format_tag::any);
    };
    const ConvGeometry& g = layer.geometry;
    std::vector<int64_t> weight = layer.weight;
    if (g.groups > 1) weight = {g.groups, weight[0] / g.groups, weight[1], weight[2], weight[3]};
    const memory::desc bias({layer.weight[0]}, memory::data_type::f32, memory::format_tag::x);
    dnnl::post_ops ops;
    ops.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
    dnnl::primitive_attr attr;
    attr.set_post_ops(ops);
    const dnnl::convolution_forward::primitive_desc pd({dnnl::prop_kind::forward_inference,
                                                        dnnl::algorithm::convolution_direct,
                                                        any(layer.x),
                                                        any(weight),
                                                        bias,
                                                        any(layer.y),
                                                        {g.stride.h, g.stride.w},
                                                        {g.dilation.h - 1, g.dilation.w - 1},
                                                        {g.padding.top, g.padding.left},
                                                        {g.padding.bottom, g.padding.right}},
                                                       attr, engine_);
    primitive_ = dnnl::convolution_forward(pd);
    x_ = filled(pd.src_desc(), a.x.as<float>(), layer.x, memory::format_tag::nhwc);
    weight_ = filled(pd.weights_desc(), a.weight.as<float>(), weight,
                     g.groups > 1 ? memory::format_tag::goihw : memory::format_tag::oihw);
    bias_ = filled(bias, a.bias.as<float>(), {layer.weight[0]}, memory::format_tag::x);
    y_ = memory(pd.dst_desc(), engine_);
  }
  void run() {
    primitive_.execute(stream_,
                       {{DNNL_ARG_SRC, x_}, {DNNL_ARG_WEIGHTS, weight_}, {DNNL_ARG_BIAS, bias_}, {DNNL_ARG_DST, y_}});
    stream_.wait();
  }

 private:
  dnnl::memory filled(const dnnl::memory::desc& desc, float* data, const std::vector<int64_t>& sizes,
                      dnnl::memory::format_tag tag) {
    dnnl::memory from({sizes, dnnl::memory::data_type::f32, tag}, engine_, data), to(desc, engine_);
    dnnl::reorder(from, to).execute(stream_, from, to);
    stream_.wait();
    return to;
  }
  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::convolution_forward primitive_;
  dnnl::memory x_, weight_, bias_, y_;
};

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
  Blocked blocked(args, layer);
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
  double onednn = 0, blocked = 0, strict = 0, fast = 0;
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
  }
  std::printf(
      "all: oneDNN %.2f, blocked %.2f, strict %.2f, fast %.2f: %.2f and %.2f times as fast as oneDNN's better\n",
      onednn, blocked, strict, fast, std::min(onednn, blocked) / strict, std::min(onednn, blocked) / fast);
}
