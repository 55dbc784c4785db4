// bench_depthwise [NET [BATCH [ROUNDS]]]: milliseconds of each depthwise convolution of a net of the zoo and of its
// gradients, ours beside oneDNN's, both channels-last, on the same data in turns. oneDNN's weights lie as it likes
// best, which is not counted; our gradients' weights are dense. Layers of the same sizes are timed once. The third
// figure: how many times as fast as oneDNN ours is.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <dnnl.hpp>

#include "base/check.h"
#include "base/parallel.h"
#include "conv_data.h"
#include "conv_layers.h"
#include "ingot/threads.h"
#include "kernels/conv_depthwise.h"
#include "kernels/conv_depthwise_pointwise.h"
#include "kernels/conv_gemm.h"
#include "sides.h"

namespace {

using namespace ingot;
using kernels::ConvArgs;

/// The data of a layer, and where each side writes.
struct Data {
  explicit Data(const Layer& l)
      : x(random_values(l.x, 1)),
        g(random_values(l.y, 1)),
        weight(random_values(l.weight, 0.3f)),
        bias(random_values({l.x[1]}, 1)) {
    for (int side = 0; side < 2; ++side) y[side] = g, dx[side] = x, dweight[side] = weight;
  }
  Values<float> x, g, weight, bias, y[2], dx[2], dweight[2];
};

Array weight_of(Values<float>& values, const Layer& l) {
  return row_major(values.data(), DType::f32, {l.weight[0], 1, l.weight[2], l.weight[3]});
}

/// oneDNN channels-last; weights in the layout of its choice, the time of reordering not counted.
class OneDnn {
 public:
  OneDnn(const Layer& l, Data& d)
      : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_), layer_(l), weight_dims_(l.weight) {
    weight_dims_.insert(weight_dims_.begin() + 1, 1);
    const memory::desc bias({l.x[1]}, kF32, memory::format_tag::x);
    dnnl::post_ops ops;
    ops.append_eltwise(1, dnnl::algorithm::eltwise_clip, 0, 6);
    dnnl::primitive_attr attr;
    attr.set_post_ops(ops);
    const dnnl::convolution_forward::primitive_desc forward(forward_desc(&bias), attr, engine_);
    const dnnl::convolution_forward::primitive_desc hint(forward_desc(nullptr), engine_);
    const dnnl::convolution_backward_data::primitive_desc data(
        {kAlgorithm, nhwc(l.x), any(weight_dims_), nhwc(l.y), strides(), dilations(), begin(), end()}, engine_, hint);
    const dnnl::convolution_backward_weights::primitive_desc weights(
        {kAlgorithm, nhwc(l.x), any(weight_dims_), nhwc(l.y), strides(), dilations(), begin(), end()}, engine_, hint);
    const auto x = memory(nhwc(l.x), engine_, d.x.data()), g = memory(nhwc(l.y), engine_, d.g.data());
    add(dnnl::convolution_forward(forward), {{DNNL_ARG_SRC, x},
                                             {DNNL_ARG_WEIGHTS, packed(d.weight, forward.weights_desc())},
                                             {DNNL_ARG_BIAS, memory(bias, engine_, d.bias.data())},
                                             {DNNL_ARG_DST, memory(nhwc(l.y), engine_, d.y[0].data())}});
    add(dnnl::convolution_backward_data(data), {{DNNL_ARG_DIFF_DST, g},
                                                {DNNL_ARG_WEIGHTS, packed(d.weight, data.weights_desc())},
                                                {DNNL_ARG_DIFF_SRC, memory(nhwc(l.x), engine_, d.dx[0].data())}});
    dweight_ = memory(weights.diff_weights_desc(), engine_);
    add(dnnl::convolution_backward_weights(weights),
        {{DNNL_ARG_SRC, x}, {DNNL_ARG_DIFF_DST, g}, {DNNL_ARG_DIFF_WEIGHTS, dweight_}});
  }
  void run(size_t what) {
    primitives_[what].execute(stream_, arguments_[what]);
    stream_.wait();
  }
  void unpack_gradient(Data& d) {
    memory to({weight_dims_, kF32, memory::format_tag::goihw}, engine_, d.dweight[0].data());
    dnnl::reorder(dweight_, to).execute(stream_, dweight_, to);
    stream_.wait();
  }

 private:
  using memory = dnnl::memory;
  static constexpr auto kF32 = memory::data_type::f32;
  static constexpr auto kAlgorithm = dnnl::algorithm::convolution_direct;

  memory::desc nhwc(const memory::dims& sizes) const { return {sizes, kF32, memory::format_tag::nhwc}; }
  memory::desc any(const memory::dims& sizes) const { return {sizes, kF32, memory::format_tag::any}; }
  memory::dims strides() const { return {layer_.geometry.stride.h, layer_.geometry.stride.w}; }
  memory::dims dilations() const { return {layer_.geometry.dilation.h - 1, layer_.geometry.dilation.w - 1}; }
  memory::dims begin() const { return {layer_.geometry.padding.top, layer_.geometry.padding.left}; }
  memory::dims end() const { return {layer_.geometry.padding.bottom, layer_.geometry.padding.right}; }
  dnnl::convolution_forward::desc forward_desc(const memory::desc* bias) const {
    const auto kind = bias != nullptr ? dnnl::prop_kind::forward_inference : dnnl::prop_kind::forward_training;
    const memory::desc x = nhwc(layer_.x), weight = any(weight_dims_), y = nhwc(layer_.y);
    return bias != nullptr ? dnnl::convolution_forward::desc(kind, kAlgorithm, x, weight, *bias, y, strides(),
                                                             dilations(), begin(), end())
                           : dnnl::convolution_forward::desc(kind, kAlgorithm, x, weight, y, strides(), dilations(),
                                                             begin(), end());
  }
  memory packed(Values<float>& weight, const memory::desc& desc) {
    memory from({weight_dims_, kF32, memory::format_tag::goihw}, engine_, weight.data()), to(desc, engine_);
    dnnl::reorder(from, to).execute(stream_, from, to);
    stream_.wait();
    return to;
  }
  void add(const dnnl::primitive& primitive, std::unordered_map<int, memory> arguments) {
    primitives_.push_back(primitive);
    arguments_.push_back(std::move(arguments));
  }

  dnnl::engine engine_;
  dnnl::stream stream_;
  const Layer& layer_;
  memory::dims weight_dims_;
  memory dweight_;
  std::vector<dnnl::primitive> primitives_;
  std::vector<std::unordered_map<int, memory>> arguments_;
};

/// Ours: the forward pass has packed weights, the gradients take them as they are.
class Ours {
 public:
  Ours(const Layer& l, Data& d)
      : args_{.x = channels_last(d.x, l.x),
              .weight = weight_of(d.weight, l),
              .bias = row_major(d.bias.data(), DType::f32, {l.x[1]}),
              .geometry = l.geometry,
              .activation = Activation::relu6,
              .y = channels_last(d.y[1], l.y)},
        g_(channels_last(d.g, l.y)),
        dx_(channels_last(d.dx[1], l.x)),
        dweight_(weight_of(d.dweight[1], l)),
        forward_(kernels::conv_depthwise_packed_bytes(args_), kernels::conv_depthwise_scratch(args_)),
        data_(0, kernels::conv_depthwise_grad_input_scratch(g_, args_.weight, l.geometry, dx_)),
        weights_(0, kernels::conv_depthwise_grad_weight_scratch(args_.x, g_, l.geometry, dweight_)) {
    kernels::conv_depthwise_pack(args_, forward_.weights);
  }
  void run(size_t what) {
    const ConvArgs& a = args_;
    if (what == 0) kernels::conv_depthwise(a, forward_.weights, forward_.work);
    if (what == 1) kernels::conv_depthwise_grad_input(g_, a.weight, a.geometry, dx_, data_.work);
    if (what == 2) kernels::conv_depthwise_grad_weight(a.x, g_, a.geometry, dweight_, weights_.work);
  }

 private:
  ConvArgs args_;
  Array g_, dx_, dweight_;
  Memory forward_, data_, weights_;
};

/// Our forward pass and the 1x1 convolution after it, one after the other or as one.
class Pair1x1 {
 public:
  Pair1x1(const Layer& l, Data& d) : weight_(random_values({l.next, l.x[1]}, 0.1f)), bias_(random_values({l.next}, 1)) {
    const std::vector<int64_t> y{l.y[0], l.next, l.y[2], l.y[3]};
    args_.depthwise = {.x = channels_last(d.x, l.x),
                       .weight = weight_of(d.weight, l),
                       .bias = row_major(d.bias.data(), DType::f32, {l.x[1]}),
                       .geometry = l.geometry,
                       .activation = Activation::relu6,
                       .y = channels_last(d.y[1], l.y)};
    for (Values<float>& values : y_) values = random_values(y, 1);
    args_.pointwise = {.x = args_.depthwise.y,
                       .weight = row_major(weight_.data(), DType::f32, {l.next, l.x[1], 1, 1}),
                       .bias = row_major(bias_.data(), DType::f32, {l.next}),
                       .y = channels_last(y_[0], y)};
    depthwise_ = std::make_unique<Memory>(kernels::conv_depthwise_packed_bytes(args_.depthwise),
                                          kernels::conv_depthwise_scratch(args_.depthwise));
    pointwise_ = std::make_unique<Memory>(kernels::conv_gemm_packed_bytes(args_.pointwise),
                                          kernels::conv_gemm_scratch(args_.pointwise));
    fused_ = std::make_unique<Memory>(0, kernels::conv_depthwise_pointwise_scratch(args_));
    kernels::conv_depthwise_pack(args_.depthwise, depthwise_->weights);
    kernels::conv_gemm_pack(args_.pointwise, pointwise_->weights);
  }
  void run_apart() {
    kernels::conv_depthwise(args_.depthwise, depthwise_->weights, depthwise_->work);
    args_.pointwise.y.data = y_[0].data();
    kernels::conv_gemm(args_.pointwise, pointwise_->weights, pointwise_->work);
  }
  void run_fused() {
    args_.pointwise.y.data = y_[1].data();
    kernels::conv_depthwise_pointwise(args_, depthwise_->weights, pointwise_->weights, fused_->work);
  }
  const Values<float>& result(int side) const { return y_[side]; }

 private:
  kernels::DepthwisePointwiseArgs args_;
  Values<float> weight_, bias_, y_[2];
  std::unique_ptr<Memory> depthwise_, pointwise_, fused_;
};

constexpr const char* kNames[] = {"forward", "grad input", "grad weight"};
constexpr size_t kWhat = std::size(kNames);

void check_equal(const Values<float>& expected, const Values<float>& got, const char* what) {
  float largest = 1;
  for (const float v : expected) largest = std::max(largest, std::abs(v));
  for (size_t i = 0; i < got.size(); ++i)
    CHECK(std::abs(got[i] - expected[i]) < 1e-4f * largest, "{}: element {} is {}, oneDNN has {}", what, i, got[i],
          expected[i]);
}

Side side_of(const char* name, const std::function<void()>& run) {
  run();
  const int steps = std::max(3, static_cast<int>(5 / std::max(0.01, milliseconds(run))));
  return {name, [run, steps](int) { return fastest(steps, [&] { return std::vector{milliseconds(run)}; }); }};
}

/// Milliseconds of oneDNN and of ours for each of kNames, then of the pair with the 1x1 after it, apart and fused (0
/// where there is none).
std::vector<double> measure(const Layer& layer, int rounds) {
  Data data(layer);
  OneDnn theirs(layer, data);
  Ours ours(layer, data);
  std::unique_ptr<Pair1x1> pair;
  std::vector<Side> sides;
  for (size_t what = 0; what < kWhat; ++what) {
    sides.push_back(side_of(kNames[what], [&theirs, what] { theirs.run(what); }));
    sides.push_back(side_of(kNames[what], [&ours, what] { ours.run(what); }));
  }
  theirs.unpack_gradient(data);
  check_equal(data.y[0], data.y[1], kNames[0]);
  check_equal(data.dx[0], data.dx[1], kNames[1]);
  check_equal(data.dweight[0], data.dweight[1], kNames[2]);
  if (layer.next > 0) {
    pair = std::make_unique<Pair1x1>(layer, data);
    sides.push_back(side_of("apart", [&] { pair->run_apart(); }));
    sides.push_back(side_of("fused", [&] { pair->run_fused(); }));
    check_equal(pair->result(0), pair->result(1), "1x1");
  }
  alternate(sides, rounds, 1);
  std::vector<double> times(2 * kWhat + 2);
  for (size_t i = 0; i < sides.size(); ++i) times[i] = sides[i].best[0];
  return times;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string net = argc > 1 ? argv[1] : "mobilenet_v2";
  const int64_t batch = argc > 2 ? std::stoll(argv[2]) : 1;
  const int rounds = argc > 3 ? std::stoi(argv[3]) : 10;
  adopt_thread_count();
  std::printf("%s, batch %lld, %d threads; milliseconds: oneDNN, ours, times as fast\n%-26s %5s", net.c_str(),
              static_cast<long long>(batch), num_threads(), "depthwise convolution", "times");
  for (size_t what = 0; what < kWhat; ++what) std::printf("  %22s", kNames[what]);
  std::printf("  %22s\n", "with 1x1: apart, fused");
  std::vector<double> all(2 * kWhat + 2);
  const auto print = [&](const std::vector<double>& times) {
    for (size_t i = 0; i < times.size(); i += 2)
      if (times[i] > 0) std::printf("  %8.4f %8.4f %4.2f", times[i], times[i + 1], times[i] / times[i + 1]);
    std::printf("\n");
  };
  for (const Layer& l : layers_of(net, batch)) {
    if (l.geometry.groups != l.x[1] || l.geometry.groups != l.y[1] || l.x[1] == 1) continue;
    const std::vector<double> times = measure(l, rounds);
    std::printf("%-26s %5d",
                fmt::format("{}x{}x{}, {}x{}/{}", l.x[1], l.x[2], l.x[3], l.weight[2], l.weight[3], l.geometry.stride.h)
                    .c_str(),
                l.count);
    print(times);
    for (size_t i = 0; i < times.size(); ++i) all[i] += l.count * times[i];
  }
  std::printf("%-32s", "all");
  print(all);
}
