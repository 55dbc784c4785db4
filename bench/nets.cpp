// Whole networks: engines with strict and with fast math beside ONNX Runtime, OpenVINO and, at batch 1, ncnn, all in
// f32 on the same number of threads, in turns in one run. Usage: bench_nets [NET...] [--batch N] [--rounds R]: one
// network of each family at batch 1 unless told otherwise. Every side has the same weights (bench/peers/export_nets.py
// writes them on first use); one whose scores differ from the strict engine's by more than 1e-3 of the largest is not
// timed. Milliseconds are the least of all rounds, ratios those to the fastest peer. Engines are those of `ingot build
// --max-batch N`; their timings are kept in build/peers/nets/timing.json, which a change of kernels
// makes stale: delete it then.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/check.h"
#include "base/isa.h"
#include "base/parallel.h"
#include "cli/model.h"
#include "exchange.h"
#include "ingot/engine.h"
#include "ingot/io.h"
#include "ingot/ops.h"
#include "ingot/threads.h"
#include "sides.h"

namespace {

namespace fs = std::filesystem;
using namespace ingot;

constexpr double kTolerance = 1e-3;
constexpr double kTurn = 150;  // milliseconds of the fast engine's turn
constexpr const char* kPeers[] = {"onnxruntime", "openvino", "ncnn"};

/// A side, and what it makes of the images.
struct Runner {
  Side side;
  std::vector<float> scores;
};

cli::Model load(const std::string& net, const fs::path& folder) {
  cli::Model model = cli::load_model({.text = "zoo:" + net});
  const TensorMap state = load_safetensors(folder / "net.safetensors").tensors;
  model.module->load_state_dict({state.begin(), state.end()});
  return model;
}

Runner ours(const std::string& name, const cli::Model& model, const Tensor& images, Math math, const fs::path& cache) {
  struct State {
    Context context;
    Tensors in, out;
    void run() { context.run(in, out); }
  };
  const Graph graph = cli::trace_model(model, images.size(0).value()).graph;
  const auto state = std::make_shared<State>(
      State{Context(compile(graph, {.math = math, .timing_cache = cache})), {images}, Tensors(1)});
  state->run();
  return {
      {name,
       [state](int steps) { return fastest(steps, [&] { return std::vector{milliseconds([&] { state->run(); })}; }); }},
      state->out[0].to_vector<float>()};
}

/// Nothing where the network has no form that the peer reads.
std::optional<Runner> theirs(const std::string& kind, const fs::path& folder, const Tensor& images) {
  const int64_t batch = images.size(0).value();
  if (kind == "ncnn" && (batch > 1 || !fs::exists(folder / "net.ncnn.param"))) return {};
  const auto peer = std::make_shared<Peer>(
      "nets.py", std::vector{kind, folder.string(), std::to_string(batch), std::to_string(images.size(2).value()),
                             std::to_string(num_threads())});
  const Scratch scratch;
  write_floats(scratch.folder / "images", images.to_vector<float>());
  peer->ask(fmt::format("scores {0}/images {0}/scores", scratch.folder.string()));
  return Runner{Side::of(peer), read_floats(scratch.folder / "scores")};
}

/// The largest difference of two sides' scores, relative to the largest score; infinity where they are no numbers.
double difference(const std::vector<float>& a, const std::vector<float>& b) {
  CHECK(a.size() == b.size(), "{} scores against {}", a.size(), b.size());
  double largest = 0, scale = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(double{a[i]} - b[i]);
    if (!std::isfinite(d)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, d);
    scale = std::max(scale, std::abs(double{a[i]}));
  }
  return largest / scale;
}

/// The peers in the order of kPeers, strict, fast; nothing where a peer cannot run the network, or gives other scores.
struct Columns {
  std::vector<std::optional<Runner>> all;
  double differs = 0;  // the most by which the scores of one that runs differ
  std::string notes;

  const Runner& fast() const { return *all.back(); }
  const Runner& strict() const { return *all[all.size() - 2]; }
};

Columns columns_of(const std::string& net, int64_t batch) {
  const fs::path folder = Peer("export_nets.py", {net}).name(), cache = folder.parent_path() / "timing.json";
  const cli::Model model = load(net, folder);
  const Tensor images = normal({batch, model.image[0], model.image[1], model.image[2]}, 0, 1, {7});
  Columns columns;
  for (const char* kind : kPeers) columns.all.push_back(theirs(kind, folder, images));
  Runner fast = ours("fast", model, images, Math::fast, cache);  // times all that strict math may choose from, and more
  columns.all.emplace_back(ours("strict", model, images, Math::strict, cache));
  columns.all.emplace_back(std::move(fast));
  for (std::optional<Runner>& runner : columns.all) {
    if (!runner) continue;
    const double d = difference(columns.strict().scores, runner->scores);
    CHECK(d <= kTolerance || &runner != &columns.all.back(), "{}: fast math changes the scores by {}", net, d);
    if (d <= kTolerance) {
      columns.differs = std::max(columns.differs, d);
    } else {
      columns.notes += fmt::format("  {} gives other scores: {:.1e}", runner->side.name, d);
      runner.reset();
    }
  }
  return columns;
}

/// Milliseconds of each; infinity of what is not there.
std::vector<double> measure(const Columns& columns, int rounds) {
  std::vector<Side> sides;
  for (const auto& runner : columns.all)
    if (runner) sides.push_back(runner->side);
  const int steps = std::max(3, static_cast<int>(kTurn / columns.fast().side.run(3)[0]));
  alternate(sides, rounds, steps);
  std::vector<double> times;
  for (size_t at = 0; const auto& runner : columns.all)
    times.push_back(runner ? sides[at++].best[0] : std::numeric_limits<double>::infinity());
  return times;
}

void print_head(const Columns& columns, int64_t batch) {
  std::printf("%s, %s, %d threads; batch %lld, f32, milliseconds of", cpu_name().c_str(),
              std::string(name_of(active_isa())).c_str(), num_threads(), static_cast<long long>(batch));
  for (const auto& runner : columns.all)
    if (runner) std::printf("%s %s", &runner == &columns.all[0] ? "" : ",", runner->side.name.c_str());
  std::printf("\n%-20s", "network");
  for (const char* kind : kPeers) std::printf(" %11s", kind);
  std::printf(" %8s %8s %11s %9s %8s\n", "strict", "fast", "strict/best", "fast/best", "differs");
}

void print_row(const std::string& net, const Columns& columns, const std::vector<double>& times) {
  std::printf("%-20s", net.c_str());
  const auto peers = std::size(kPeers);
  for (size_t i = 0; i < peers; ++i)
    std::isinf(times[i]) ? std::printf(" %11s", "-") : std::printf(" %11.2f", times[i]);
  const double best = *std::min_element(times.begin(), times.begin() + peers), strict = times[peers],
               fast = times[peers + 1];
  std::printf(" %8.2f %8.2f %11.2f %9.2f %8.0e%s\n", strict, fast, strict / best, fast / best, columns.differs,
              columns.notes.c_str());
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> nets{"resnet18",     "resnet50",           "resnext50_32x4d",    "vgg16",
                                "googlenet",    "inception_v3",       "densenet121",        "squeezenet1_1",
                                "mobilenet_v2", "mobilenet_v3_large", "shufflenet_v2_x1_0", "efficientnet_b0",
                                "vit_b_16"};
  int64_t batch = 1;
  int rounds = 10;
  CLI::App app("Whole networks beside ONNX Runtime, OpenVINO and ncnn");
  app.add_option("nets", nets, "Networks of the zoo that torchvision has too");
  app.add_option("--batch", batch)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--rounds", rounds)->check(CLI::PositiveNumber)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  adopt_thread_count();
  bool first = true;
  for (const std::string& net : nets) {
    const Columns columns = columns_of(net, batch);
    if (std::exchange(first, false)) print_head(columns, batch);
    print_row(net, columns, measure(columns, rounds));
  }
}
