// Seven optimisers on one net and one slice of Fashion-MNIST: the tables and curves of docs/optimisers.md.
// Usage: bench_optimiser_curves configs/optimisers.yaml docs
// Each tries the same learning rates, whole runs on seed 0; the one with the best validation accuracy at the end then
// runs on other seeds, and only these are reported. What else an optimiser can be told has its default.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/check.h"
#include "base/file.h"
#include "curves.h"
#include "train/build.h"

namespace ingot {
namespace {

struct Candidate {
  std::string name, config;  // the config without its rate
};
const Candidate kCandidates[] = {{"SGD", "type: SGD, momentum: 0.9"},
                                 {"Adagrad", "type: Adagrad"},
                                 {"RMSprop", "type: RMSprop"},
                                 {"Adam", "type: Adam"},
                                 {"AdamW", "type: AdamW"},
                                 {"Lion", "type: Lion"},
                                 {"LAMB", "type: Lamb"}};
constexpr double kRates[] = {0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001};
constexpr int kSearchSeed = 0, kSeeds[] = {1, 2, 3};

TrainConfig config_of(const std::filesystem::path& base, const Candidate& c, double lr, int seed) {
  return load_train_config(base, {fmt::format("optimizer={{{}, lr: {}}}", c.config, lr), fmt::format("seed={}", seed)});
}

Curve run(const std::filesystem::path& base, const Candidate& c, double lr, int seed) {
  Curve curve;
  TrainOptions options{.out = std::filesystem::temp_directory_path() / "ingot_optimiser_curves", .overwrite = true};
  options.on_epoch = [&](const EpochRecord& record) { curve.push_back(record); };
  Trainer trainer(config_of(base, c, lr, seed), options);
  try {
    trainer.run();
  } catch (const Error& error) {
    fmt::print(stderr, "{} at {}: {}\n", c.name, lr, error.what());
    curve.clear();
  }
  if (!curve.empty())
    fmt::print(stderr, "{} at {}, seed {}: loss {:.4f}, validation accuracy {:.4f}\n", c.name, lr, seed,
               curve.back().train_loss, curve.back().val_accuracy);
  return curve;
}

double final_accuracy(const Curve& curve) { return curve.empty() ? -1 : curve.back().val_accuracy; }

/// The best rate, after a row of the table of all.
double search(const std::filesystem::path& base, const Candidate& c) {
  std::vector<double> accuracies;
  for (const double lr : kRates) accuracies.push_back(final_accuracy(run(base, c, lr, kSearchSeed)));
  const auto best = std::max_element(accuracies.begin(), accuracies.end()) - accuracies.begin();
  fmt::print("| {} |", c.name);
  for (size_t i = 0; i < accuracies.size(); ++i) {
    const std::string text = accuracies[i] < 0 ? "diverged" : fmt::format("{:.1f}", 100 * accuracies[i]);
    fmt::print(" {} |", static_cast<ptrdiff_t>(i) == best ? "**" + text + "**" : text);
  }
  fmt::print("\n");
  return kRates[best];
}

/// Tensors of a parameter's size that the optimiser keeps beside it.
size_t state_tensors(const TrainConfig& config) {
  Tensor p = ones({2, 3});
  p.set_requires_grad();
  p.set_grad(ones({2, 3}));
  const auto optimizer = make_optimizer(config.optimizer, {p});
  optimizer->step();
  const OptimizerState state = optimizer->state_dict();
  const auto& tensors = state.state.at(0);
  return static_cast<size_t>(
      std::count_if(tensors.begin(), tensors.end(), [&](const auto& t) { return t.second.shape() == p.shape(); }));
}

void print_result(const Candidate& c, double lr, const std::vector<Curve>& curves, size_t tensors) {
  fmt::print("| {} | {} | {} | {:.1f} | {} | {} |\n", c.name, lr, at_the_end(curves, &EpochRecord::train_loss, 1, 4),
             100 * mean_at(curves, 0, &EpochRecord::val_accuracy),
             at_the_end(curves, &EpochRecord::val_accuracy, 100, 1), 4 * tensors);
}

void compare(const std::filesystem::path& base, const std::filesystem::path& folder) {
  fmt::print("| optimiser |");
  for (const double lr : kRates) fmt::print(" {} |", lr);
  fmt::print("\n|---|");
  for (size_t i = 0; i < std::size(kRates); ++i) fmt::print("---|");
  fmt::print("\n");
  std::vector<double> rates;
  for (const Candidate& c : kCandidates) rates.push_back(search(base, c));

  fmt::print(
      "\n| optimiser | rate | training loss | accuracy after one epoch | at the end | bytes of state |\n"
      "|---|---|---|---|---|---|\n");
  html::Chart loss{.title = "Training loss", .x_label = "epoch", .log_y = true},
      accuracy{.title = "Validation accuracy, %", .x_label = "epoch"};
  for (size_t i = 0; i < std::size(kCandidates); ++i) {
    const Candidate& c = kCandidates[i];
    std::vector<Curve> curves;
    for (const int seed : kSeeds) {
      curves.push_back(run(base, c, rates[i], seed));
      CHECK(!curves.back().empty(), "{} at {} diverges on seed {}, though not on seed {}", c.name, rates[i], seed,
            kSearchSeed);
    }
    print_result(c, rates[i], curves, state_tensors(config_of(base, c, rates[i], 0)));
    loss.series.push_back(series(c.name, curves, &EpochRecord::train_loss, 1));
    accuracy.series.push_back(series(c.name, curves, &EpochRecord::val_accuracy, 100));
  }
  write_file_atomic(folder / "optimisers_loss.svg", html::svg_file(loss));
  write_file_atomic(folder / "optimisers_accuracy.svg", html::svg_file(accuracy));
}

}  // namespace
}  // namespace ingot

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: {} configs/optimisers.yaml FOLDER\n", argv[0]);
    return 2;
  }
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // rows that are there are kept, whatever comes after them
  ingot::compare(argv[1], argv[2]);
}
