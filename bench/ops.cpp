// Forward and backward of ops beside PyTorch's, both on all threads, alternating in one run; the faster of PyTorch's
// two layouts counts. Ours is channels-last where there are planes. Before the timing, results and gradients of both
// sides are checked to be equal within 1e-4. Usage: bench_ops [OP [ROUNDS]] [alone]: OP is the first letters of the ops
// to run; `alone` runs no peer.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "exchange.h"
#include "ingot/losses.h"
#include "ingot/nn.h"
#include "sides.h"

namespace {

using ingot::Shape;
using ingot::Tensor;
using ingot::Tensors;
using Forward = std::function<Tensor(const Tensors&)>;

/// peers/ops.py has the same op under the same name.
struct Case {
  std::string op;
  std::vector<Shape> inputs;  // each is differentiated
  Forward forward;
};

/// x, gamma, beta and perhaps a residual, with running statistics.
Case batch_norm(const Shape& x, bool residual_and_relu = false) {
  const Shape channels{x[1]};
  const auto norm = std::make_shared<ingot::BatchNorm2d>(x[1].value());
  const auto run = [norm, residual_and_relu](const Tensors& in) {
    norm->weight = in[1];
    norm->bias = in[2];
    return residual_and_relu ? norm->forward_fused(in[0], in[3], true) : norm->forward(in[0]);
  };
  if (residual_and_relu) return {"batch_norm_add_relu", {x, channels, channels, x}, run};
  return {"batch_norm", {x, channels, channels}, run};
}

Case layer_norm(int64_t rows, int64_t size) {
  return {"layer_norm", {{rows, size}, {size}, {size}}, [](const Tensors& in) {
            return ingot::layer_norm(in[0], {in[1].size(0)}, in[1], in[2]);
          }};
}

/// The class of sample i is 7 i modulo their number.
Case cross_entropy(int64_t batch, int64_t classes, double smoothing = 0) {
  std::vector<int64_t> target(static_cast<size_t>(batch));
  for (int64_t i = 0; i < batch; ++i) target[static_cast<size_t>(i)] = 7 * i % classes;
  return {smoothing > 0 ? "cross_entropy_smoothed" : "cross_entropy",
          {{batch, classes}},
          [t = ingot::from_vector(target, {batch}), smoothing](const Tensors& in) {
            return ingot::cross_entropy(in[0], t, {.label_smoothing = smoothing});
          }};
}

Case pool(const std::string& op, const Shape& x, const std::function<Tensor(const Tensor&)>& f) {
  return {op, {x}, [f](const Tensors& in) { return f(in[0]); }};
}
Case max_pool(const Shape& x) {
  return pool("max_pool_3x3_s2", x, [](const Tensor& in) {
    return ingot::max_pool2d(in, {.kernel = {3}, .stride = ingot::Pair{2}, .padding = {1}});
  });
}
Case avg_pool(const Shape& x) {
  return pool("avg_pool_2x2", x, [](const Tensor& in) { return ingot::avg_pool2d(in, {.kernel = {2}}); });
}
Case global_pool(const Shape& x) {
  return pool("global_pool", x, [](const Tensor& in) { return ingot::adaptive_avg_pool2d(in, {1}); });
}

Case softmax(const Shape& x) {
  return {"softmax", {x}, [](const Tensors& in) { return ingot::softmax(in[0]); }};
}
Case gelu(const Shape& x) {
  return {"gelu", {x}, [](const Tensors& in) { return ingot::gelu(in[0]); }};
}

std::vector<Case> all_cases() {
  return {
      batch_norm({8, 64, 112, 112}),
      batch_norm({8, 256, 56, 56}),
      batch_norm({64, 64, 28, 28}),
      batch_norm({8, 512, 7, 7}),
      batch_norm({8, 64, 7, 7}),
      batch_norm({8, 256, 56, 56}, true),
      layer_norm(8 * 197, 768),
      layer_norm(197, 192),
      softmax({1024, 1000}),
      softmax({8, 12, 197, 197}),
      softmax({64, 10}),
      cross_entropy(256, 1000),
      cross_entropy(256, 1000, 0.1),
      cross_entropy(64, 10),
      gelu({8 * 197, 3072}),
      gelu({197, 768}),
      max_pool({8, 64, 112, 112}),
      max_pool({64, 32, 28, 28}),
      avg_pool({8, 128, 56, 56}),
      avg_pool({64, 32, 28, 28}),
      global_pool({8, 2048, 7, 7}),
      global_pool({64, 512, 7, 7}),
  };
}

/// Only maps of planes are channels-last; those of attention are row-major.
bool has_planes(const Case& c) { return c.inputs[0].size() == 4 && c.op != "softmax"; }

Tensor drawn(const Case& c, const Shape& shape, uint64_t key) {
  Tensor x = ingot::normal(shape, 0, 1, {key});
  if (has_planes(c)) return x;
  Tensor rows = ingot::empty(shape, ingot::DType::f32, ingot::Layout::row_major);
  ingot::copy_into(rows, x);
  return rows;
}

class Ours {
 public:
  Ours(const Case& c, const std::filesystem::path& folder) : forward_(c.forward) {
    for (const Shape& shape : c.inputs) inputs_.push_back(drawn(c, shape, inputs_.size()).set_requires_grad());
    const Tensor y = forward_(inputs_);
    grad_ = drawn(c, y.shape(), 100);
    for (size_t i = 0; i < inputs_.size(); ++i)
      write_floats(folder / ("in" + std::to_string(i)), inputs_[i].to_vector<float>());
    write_floats(folder / "grad", grad_.to_vector<float>());
    ingot::backward(y, grad_);
    results_.push_back(y.to_vector<float>());
    for (const Tensor& x : inputs_) results_.push_back(x.grad().to_vector<float>());
  }

  std::vector<double> step() {
    for (Tensor& x : inputs_) x.set_grad({});
    Tensor y;
    const double forward = milliseconds([&] { y = forward_(inputs_); });
    return {forward, milliseconds([&] { ingot::backward(y, grad_); })};
  }
  /// The result, and the gradient of each input.
  const std::vector<std::vector<float>>& results() const { return results_; }

 private:
  Forward forward_;
  Tensors inputs_;
  Tensor grad_;
  std::vector<std::vector<float>> results_;
};

std::string text(const Shape& shape) {
  std::string out;
  for (const ingot::Dim size : shape) out += (out.empty() ? "" : "x") + size.str();
  return out;
}

void prepare(Peer& peer, const Case& c, const Ours& ours, const std::filesystem::path& folder) {
  std::string shapes;
  for (const Shape& shape : c.inputs) shapes += " " + text(shape);
  peer.ask("case " + c.op + " " + folder.string() + shapes);
  peer.ask("write " + folder.string());
  for (size_t i = 0; i < ours.results().size(); ++i)
    check_close(ours.results()[i], read_floats(folder / ("out" + std::to_string(i))), 1e-4,
                peer.name() + " " + c.op + ", result " + std::to_string(i));
}

void print(const Case& c, const std::vector<Side>& sides) {
  std::printf("| %-22s | %-14s |", c.op.c_str(), text(c.inputs[0]).c_str());
  for (const size_t part : {0, 1}) {
    double theirs = 1e30;
    for (size_t i = 0; i < sides.size(); ++i) {
      std::printf("%s %7.3f", i > 0 ? " /" : "", sides[i].best[part]);
      if (i > 0) theirs = std::min(theirs, sides[i].best[part]);
    }
    if (sides.size() > 1) std::printf(" | %.2f |", sides[0].best[part] / theirs);
  }
  std::printf("\n");
  std::fflush(stdout);
}

void measure(const Case& c, const std::vector<std::shared_ptr<Peer>>& peers, int rounds) {
  constexpr double kRoundMs = 40;  // of our side
  const Scratch scratch;
  const auto ours = std::make_shared<Ours>(c, scratch.folder);
  std::vector<Side> sides{{"Ingot", [ours](int steps) { return fastest(steps, [&] { return ours->step(); }); }}};
  for (const auto& peer : peers) {
    if (&peer != &peers[0] && !has_planes(c)) continue;  // the layouts are one
    prepare(*peer, c, *ours, scratch.folder);
    sides.push_back(Side::of(peer));
  }
  const std::vector<double> once = sides[0].run(3);
  const int steps = static_cast<int>(std::clamp(kRoundMs / (once[0] + once[1]), 3.0, 1000.0));
  alternate(sides, rounds, steps);
  print(c, sides);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  const bool alone = std::erase(arguments, "alone") > 0;
  const std::string wanted = !arguments.empty() ? arguments[0] : "";
  const int rounds = arguments.size() > 1 ? std::stoi(arguments[1]) : 8;
  std::vector<std::shared_ptr<Peer>> peers;
  for (const char* layout : {"nchw", "nhwc"})
    if (!alone) peers.push_back(std::make_shared<Peer>("ops.py", std::vector<std::string>{layout}));
  std::printf("milliseconds of the fastest step: Ingot%s, and Ingot's share of the faster peer's time\n",
              alone ? "" : " / PyTorch nchw / nhwc");
  std::printf("| op | shape | forward%s | backward%s |\n", alone ? "" : " | ratio", alone ? "" : " | ratio");
  for (const Case& c : all_cases())
    if (c.op.starts_with(wanted)) measure(c, peers, rounds);
}
