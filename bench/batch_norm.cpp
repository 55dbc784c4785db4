// Batch norm with ReLU as training computes it, forward and backward: our channels-last kernels beside oneDNN's
// primitive in the blocked format that its convolutions prefer and in channels-last, on the same data in turns. Usage:
// bench_batch_norm [NET [BATCH [ROUNDS]]]: resnet50, batch 8; one batch norm after each of its convolutions. Layers of
// the same sizes are timed once, the sums count each. Milliseconds, and how many times as fast as oneDNN's blocked
// format ours are.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>
#include <dnnl.hpp>

#include "base/check.h"
#include "base/parallel.h"
#include "conv_data.h"
#include "conv_layers.h"
#include "ingot/threads.h"
#include "kernels/batch_norm.h"
#include "sides.h"

namespace {

using namespace ingot;

constexpr float kEps = 1e-5f;
using Sizes = std::vector<int64_t>;

/// What every side gets: arrays of a layer in channels-last order and numbers of its channels.
struct Data {
  explicit Data(const Sizes& sizes)
      : sizes(sizes),
        x(random_values(sizes, 1)),
        g(random_values(sizes, 1)),
        gamma(random_values({sizes[1]}, 1)),
        beta(random_values({sizes[1]}, 1)) {}
  Sizes sizes;
  Values<float> x, g, gamma, beta;
};

/// And what each computes, arrays in channels-last order.
struct Result {
  explicit Result(const Data& d) : y(d.x.size()), dx(d.x.size()), dgamma(d.gamma.size()), dbeta(d.gamma.size()) {}
  Values<float> y, dx, dgamma, dbeta;
};

class Ours {
 public:
  explicit Ours(Data& d)
      : result(d),
        statistics_(3 * d.gamma.size()),
        x_(channels_last(d.x, d.sizes)),
        g_(channels_last(d.g, d.sizes)),
        y_(channels_last(result.y, d.sizes)),
        dx_(channels_last(result.dx, d.sizes)),
        gamma_(channels(d.gamma.data())),
        beta_(channels(d.beta.data())),
        mean_(channels(statistics_.data())),
        variance_(channels(statistics_.data() + d.gamma.size())),
        invstd_(channels(statistics_.data() + 2 * d.gamma.size())) {}
  void forward() {
    kernels::batch_norm_stats(x_, mean_, variance_);
    for (int64_t c = 0; c < x_.shape[1]; ++c) invstd_.as<float>()[c] = 1 / std::sqrt(variance_.as<float>()[c] + kEps);
    kernels::batch_norm_apply(x_, mean_, invstd_, gamma_, beta_, {}, /*relu=*/true, y_);
  }
  void backward() {
    kernels::batch_norm_grad(x_, {.relu = true, .beta = beta_}, g_, mean_, invstd_, gamma_, dx_,
                             channels(result.dgamma.data()), channels(result.dbeta.data()), {});
  }
  /// Zeroes the gradients of results next to the ReLU's edge, where rounding decides what passes.
  void clear_edge(Values<float>& g) const {
    const auto channels = static_cast<size_t>(x_.shape[1]);
    const float *x = x_.as<float>(), *mean = mean_.as<float>(), *invstd = invstd_.as<float>();
    for (size_t i = 0; i < g.size(); ++i) {
      const size_t c = i % channels;
      const float v = (x[i] - mean[c]) * invstd[c] * gamma_.as<float>()[c] + beta_.as<float>()[c];
      if (std::abs(v) < 1e-5f) g[i] = 0;
    }
  }
  Result result;

 private:
  Array channels(float* values) const { return row_major(values, DType::f32, {x_.shape[1]}); }

  Values<float> statistics_;
  Array x_, g_, y_, dx_, gamma_, beta_, mean_, variance_, invstd_;
};

/// oneDNN's, all arrays in one format; reorders are not timed.
class OneDnn {
 public:
  OneDnn(Data& d, dnnl::memory::format_tag tag) : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_), data_(d) {
    using dnnl::prop_kind;
    const auto flags = dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift |
                       dnnl::normalization_flags::fuse_norm_relu;
    const memory::desc arrays(d.sizes, memory::data_type::f32, tag);
    const memory::desc channels({d.sizes[1]}, memory::data_type::f32, memory::format_tag::x);
    const dnnl::batch_normalization_forward::primitive_desc forward({prop_kind::forward_training, arrays, kEps, flags},
                                                                    engine_);
    const dnnl::batch_normalization_backward::primitive_desc backward(
        {prop_kind::backward, arrays, arrays, kEps, flags}, engine_, forward);
    implementation = forward.impl_info_str();
    const auto fresh = [&](const memory::desc& desc) { return memory(desc, engine_); };
    const memory x = fresh(arrays), g = fresh(arrays), mean = fresh(forward.mean_desc()),
                 variance = fresh(forward.variance_desc()), mask = fresh(forward.workspace_desc());
    const memory gamma(channels, engine_, d.gamma.data()), beta(channels, engine_, d.beta.data());
    y_ = fresh(arrays), dx_ = fresh(arrays), dgamma_ = fresh(channels), dbeta_ = fresh(channels);
    reorder(nhwc(d.x), x);
    reorder(nhwc(d.g), g);
    primitives_ = {dnnl::batch_normalization_forward(forward), dnnl::batch_normalization_backward(backward)};
    arguments_ = {{{DNNL_ARG_SRC, x},
                   {DNNL_ARG_SCALE, gamma},
                   {DNNL_ARG_SHIFT, beta},
                   {DNNL_ARG_MEAN, mean},
                   {DNNL_ARG_VARIANCE, variance},
                   {DNNL_ARG_WORKSPACE, mask},
                   {DNNL_ARG_DST, y_}},
                  {{DNNL_ARG_SRC, x},
                   {DNNL_ARG_SCALE, gamma},
                   {DNNL_ARG_SHIFT, beta},
                   {DNNL_ARG_MEAN, mean},
                   {DNNL_ARG_VARIANCE, variance},
                   {DNNL_ARG_WORKSPACE, mask},
                   {DNNL_ARG_DIFF_DST, g},
                   {DNNL_ARG_DIFF_SRC, dx_},
                   {DNNL_ARG_DIFF_SCALE, dgamma_},
                   {DNNL_ARG_DIFF_SHIFT, dbeta_}}};
  }
  void forward() { execute(0); }
  void backward() { execute(1); }
  Result result() {
    Result out(data_);
    reorder(y_, nhwc(out.y));
    reorder(dx_, nhwc(out.dx));
    const auto copy = [](const memory& from, Values<float>& to) {
      std::copy_n(static_cast<const float*>(from.get_data_handle()), to.size(), to.data());
    };
    copy(dgamma_, out.dgamma);
    copy(dbeta_, out.dbeta);
    return out;
  }
  std::string implementation;

 private:
  using memory = dnnl::memory;

  void execute(size_t what) {
    primitives_[what].execute(stream_, arguments_[what]);
    stream_.wait();
  }
  memory nhwc(Values<float>& values) {
    return {{data_.sizes, memory::data_type::f32, memory::format_tag::nhwc}, engine_, values.data()};
  }
  void reorder(memory from, memory to) {
    dnnl::reorder(from, to).execute(stream_, from, to);
    stream_.wait();
  }

  dnnl::engine engine_;
  dnnl::stream stream_;
  Data& data_;
  memory y_, dx_, dgamma_, dbeta_;
  std::vector<dnnl::primitive> primitives_;
  std::vector<std::unordered_map<int, memory>> arguments_;
};

/// The format of activations that oneDNN's convolutions prefer here.
dnnl::memory::format_tag blocked_format() {
  const bool has_avx512 = dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx512_core;
  return has_avx512 ? dnnl::memory::format_tag::nChw16c : dnnl::memory::format_tag::nChw8c;
}

void check_near(const Values<float>& expected, const Values<float>& got, const char* what) {
  float largest = 0;
  for (const float v : expected) largest = std::max(largest, std::abs(v));
  for (size_t i = 0; i < got.size(); ++i)
    CHECK(std::abs(got[i] - expected[i]) <= 1e-4f * largest, "{}: element {} is {}, oneDNN has {} and at most {}", what,
          i, got[i], expected[i], largest);
}

void check_near(const Result& expected, const Result& got) {
  check_near(expected.y, got.y, "y");
  check_near(expected.dx, got.dx, "dx");
  check_near(expected.dgamma, got.dgamma, "dgamma");
  check_near(expected.dbeta, got.dbeta, "dbeta");
}

template <class Runs>
Side side_of(const char* name, Runs& runs) {
  const auto step = [&runs] {
    return std::vector{milliseconds([&] { runs.forward(); }), milliseconds([&] { runs.backward(); })};
  };
  const std::vector<double> first = step();
  const int steps = std::max(3, static_cast<int>(10 / std::max(0.05, first[0] + first[1])));
  return {name, [step, steps](int) { return fastest(steps, step); }};
}

constexpr const char* kSides[] = {"ours", "oneDNN blocked", "oneDNN nhwc"};

/// Milliseconds of each side's forward pass, then of its backward pass.
std::vector<double> measure(const Sizes& sizes, int rounds) {
  Data data(sizes);
  Ours ours(data);
  ours.forward();
  ours.clear_edge(data.g);
  OneDnn blocked(data, blocked_format()), nhwc(data, dnnl::memory::format_tag::nhwc);
  CHECK(!blocked.implementation.starts_with("ref"), "oneDNN's blocked batch norm is {}", blocked.implementation);
  std::vector<Side> sides{side_of(kSides[0], ours), side_of(kSides[1], blocked), side_of(kSides[2], nhwc)};
  check_near(blocked.result(), ours.result);
  check_near(nhwc.result(), ours.result);
  alternate(sides, rounds, 1);
  std::vector<double> times;
  for (const size_t pass : {0, 1})
    for (const Side& side : sides) times.push_back(side.best[pass]);
  return times;
}

/// The sizes of the net's batch norms, and how often it has one of them.
std::vector<std::pair<Sizes, int>> batch_norms_of(const std::string& net, int64_t batch) {
  std::vector<std::pair<Sizes, int>> out;
  for (const Layer& l : layers_of(net, batch)) {
    const auto known = std::find_if(out.begin(), out.end(), [&](const auto& entry) { return entry.first == l.y; });
    if (known != out.end())
      known->second += l.count;
    else
      out.emplace_back(l.y, l.count);
  }
  return out;
}

void print(const std::vector<double>& t) {
  for (const size_t pass : {0, 3})
    std::printf("  %8.3f %8.3f %8.3f %5.2f", t[pass], t[pass + 1], t[pass + 2], t[pass + 1] / t[pass]);
  std::printf("  %5.2f\n", (t[1] + t[4]) / (t[0] + t[3]));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string net = argc > 1 ? argv[1] : "resnet50";
  const int64_t batch = argc > 2 ? std::stoll(argv[2]) : 8;
  const int rounds = argc > 3 ? std::stoi(argv[3]) : 10;
  adopt_thread_count();
  std::printf("%s, batch %lld, %d threads; milliseconds of ours, of oneDNN blocked and channels-last, blocked / ours\n",
              net.c_str(), static_cast<long long>(batch), num_threads());
  std::printf("%-16s %5s  %32s  %32s  %5s\n", "batch norm, ReLU", "times", "forward", "backward", "both");
  std::vector<double> all(2 * std::size(kSides));
  for (const auto& [sizes, count] : batch_norms_of(net, batch)) {
    const std::vector<double> times = measure(sizes, rounds);
    std::printf("%-16s %5d", fmt::format("{}x{}x{}", sizes[1], sizes[2], sizes[3]).c_str(), count);
    print(times);
    for (size_t i = 0; i < times.size(); ++i) all[i] += count * times[i];
  }
  std::printf("%-22s", "all");
  print(all);
}
