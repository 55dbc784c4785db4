// The convolutions of a net, one by one: our kernels beside oneDNN's (weights packed beforehand, the layout of its
// choice), bias and ReLU fused. Usage: bench_conv [NET [BATCH [ROUNDS]]]: resnet18, resnet50 (the default), vgg16,
// mobilenet_v2 or another of the zoo, batch 1. Layers of the same sizes are timed once; the sums count each.
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "base/check.h"
#include "ingot/models.h"
#include "ingot/threads.h"
#include "kernels/conv.h"
#include "kernels/conv_gemm.h"
#include "sides.h"

namespace {

using namespace ingot;
using kernels::ConvArgs;

/// A convolution of the net, as often as it has one of these sizes.
struct Layer {
  std::vector<int64_t> x, weight, y;
  ConvGeometry geometry;
  int count = 1;
};

/// Those that a forward pass meets, in its order.
std::vector<Layer> layers_of(const std::string& net, int64_t batch) {
  const NoGrad no_grad;
  const auto model = make_model(net);
  model->eval();
  std::vector<Layer> layers;
  const auto sizes = [](const Tensor& t) {
    std::vector<int64_t> out;
    for (const Dim& d : t.shape()) out.push_back(d.value());
    return out;
  };
  for (Module* m : model->modules()) {
    const auto* conv = dynamic_cast<Conv2d*>(m);
    if (conv == nullptr) continue;
    m->on_forward([&, conv](const Module&, const Tensors& in, Tensors& out) {
       const auto& o = conv->options;
       Layer layer{sizes(in[0]), sizes(conv->weight), sizes(out[0]), {o.stride, o.dilation, o.padding, o.groups}};
       for (Layer& l : layers)
         if (l.x == layer.x && l.weight == layer.weight && l.geometry.stride == layer.geometry.stride) {
           ++l.count;
           return;
         }
       layers.push_back(layer);
     }).keep();
  }
  model->call({zeros({batch, 3, 224, 224})});
  return layers;
}

std::vector<float> random_values(const std::vector<int64_t>& sizes, float scale) {
  static std::mt19937 engine(1);
  std::normal_distribution<float> normal(0, scale);
  int64_t count = 1;
  for (const int64_t s : sizes) count *= s;
  std::vector<float> out(static_cast<size_t>(count));
  for (float& v : out) v = normal(engine);
  return out;
}

/// [N,C,H,W] in channels-last order.
Array channels_last(std::vector<float>& values, const std::vector<int64_t>& s) {
  Array a{.data = values.data(), .rank = 4};
  std::copy(s.begin(), s.end(), a.shape.begin());
  a.strides = {s[1] * s[2] * s[3], 1, s[3] * s[1], s[1]};
  return a;
}

/// A kernel's packed weights and scratch.
struct Memory {
  std::vector<std::byte> packed, scratch;
  std::byte* weights = nullptr;
  std::byte* work = nullptr;
  Memory(size_t packed_bytes, size_t scratch_bytes) : packed(packed_bytes + 64), scratch(scratch_bytes + 64) {
    weights = aligned(packed);
    work = aligned(scratch);
  }
  static std::byte* aligned(std::vector<std::byte>& v) {
    return v.data() + (64 - reinterpret_cast<uintptr_t>(v.data()) % 64) % 64;
  }
};

struct Times {
  double onednn = 0, own = 0;
};

Times measure(const Layer& layer, int rounds) {
  std::vector<float> x = random_values(layer.x, 1), weight = random_values(layer.weight, 0.05f),
                     bias = random_values({layer.weight[0]}, 1), y = random_values(layer.y, 1), expected = y;
  ConvArgs args{.x = channels_last(x, layer.x),
                .weight = row_major(weight.data(), DType::f32,
                                    {layer.weight[0], layer.weight[1], layer.weight[2], layer.weight[3]}),
                .bias = row_major(bias.data(), DType::f32, {layer.weight[0]}),
                .geometry = layer.geometry,
                .activation = Activation::relu,
                .y = channels_last(expected, layer.y)};
  Memory onednn(kernels::conv2d_packed_bytes(args), 0);
  kernels::conv2d_pack(args, onednn.weights);
  Memory onednn_work(0, kernels::conv2d_packed_scratch(args, onednn.weights));
  Memory own(static_cast<size_t>(kernels::conv_gemm_packed_size(args)) * sizeof(float),
             kernels::conv_gemm_scratch(args));
  kernels::conv_gemm_pack(args, reinterpret_cast<float*>(own.weights));
  const auto run_onednn = [&] { kernels::conv2d_packed(args, onednn.weights, onednn_work.work); };
  ConvArgs to_y = args;
  to_y.y = channels_last(y, layer.y);
  const auto run_own = [&] { kernels::conv_gemm(to_y, reinterpret_cast<float*>(own.weights), own.work); };
  run_onednn();
  run_own();
  for (size_t i = 0; i < y.size(); ++i)
    CHECK(std::abs(y[i] - expected[i]) < 1e-3 * (1 + std::abs(expected[i])), "output {} is {}, oneDNN has {}", i, y[i],
          expected[i]);
  const int steps = std::max(2, static_cast<int>(10 / std::max(0.1, milliseconds(run_own))));
  std::vector<Side> sides;
  for (const auto& run : {std::function<void()>(run_onednn), std::function<void()>(run_own)})
    sides.push_back({"", [&, run](int n) { return fastest(n, [&] { return std::vector{milliseconds(run)}; }); }});
  alternate(sides, rounds, steps);
  return {sides[0].best[0], sides[1].best[0]};
}

}  // namespace

int main(int argc, char** argv) {
  const std::string net = argc > 1 ? argv[1] : "resnet50";
  const int64_t batch = argc > 2 ? std::stoll(argv[2]) : 1;
  const int rounds = argc > 3 ? std::stoi(argv[3]) : 5;
  std::printf("%s, batch %lld, %d threads\n%-34s %6s %18s %18s %6s\n", net.c_str(), static_cast<long long>(batch),
              num_threads(), "convolution", "times", "oneDNN ms  GFLOP/s", "own ms  GFLOP/s", "ratio");
  Times sum;
  for (const Layer& l : layers_of(net, batch)) {
    const Times t = measure(l, rounds);
    const double flop = 2e-6 * static_cast<double>(l.y[0] * l.y[1] * l.y[2] * l.y[3]) *
                        static_cast<double>(l.weight[1] * l.weight[2] * l.weight[3]);
    const std::string name =
        fmt::format("{}x{}x{} -> {}, {}x{}/{}{}", l.x[1], l.x[2], l.x[3], l.y[1], l.weight[2], l.weight[3],
                    l.geometry.stride.h, l.geometry.groups > 1 ? fmt::format(", {} groups", l.geometry.groups) : "");
    std::printf("%-34s %6d %10.3f %7.1f %10.3f %7.1f %6.2f\n", name.c_str(), l.count, t.onednn, flop / t.onednn, t.own,
                flop / t.own, t.own / t.onednn);
    sum.onednn += l.count * t.onednn, sum.own += l.count * t.own;
  }
  std::printf("%-41s %10.2f %18.2f %14.2f\n", "all", sum.onednn, sum.own, sum.own / sum.onednn);
}
