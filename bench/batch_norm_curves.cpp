// Four ranks with 2 images each: batch norm by each rank's own images against synchronised batch norm, and against one
// process with batches of 8: the table and curves of docs/distributed.md.
// Usage: bench_batch_norm_curves configs/sync_batch_norm.yaml docs
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>

#include "base/file.h"
#include "curves.h"

namespace ingot {
namespace {

struct Variant {
  std::string name, file;
  int ranks;
  bool synchronised;
};
const Variant kVariants[] = {{"BatchNorm, 4 ranks of 2 images", "plain", 4, false},
                             {"SyncBatchNorm, 4 ranks of 2 images", "sync", 4, true},
                             {"BatchNorm, one process of 8 images", "one", 1, false}};
constexpr int kSeeds[] = {1, 2, 3};

Curve run(const std::filesystem::path& base, const Variant& v, int seed) {
  const TrainConfig config = load_train_config(
      base, {fmt::format("seed={}", seed), fmt::format("distributed.sync_batch_norm={}", v.synchronised)});
  Curve curve;
  TrainOptions options{.out = std::filesystem::temp_directory_path() / "ingot_batch_norm_curves", .overwrite = true};
  options.on_epoch = [&](const EpochRecord& record) { curve.push_back(record); };
  run_as_ranks(v.ranks, [&] { train(config, options); });
  fmt::print(stderr, "{}, seed {}: loss {:.4f}, validation accuracy {:.4f}\n", v.name, seed, curve.back().train_loss,
             curve.back().val_accuracy);
  return curve;
}

void compare(const std::filesystem::path& base, const std::filesystem::path& folder) {
  fmt::print("| | training loss | validation loss | validation accuracy, % |\n|---|---|---|---|\n");
  html::Chart loss{.title = "Training loss", .x_label = "epoch"},
      accuracy{.title = "Validation accuracy, %", .x_label = "epoch"};
  for (const Variant& v : kVariants) {
    std::vector<Curve> curves;
    for (const int seed : kSeeds) curves.push_back(run(base, v, seed));
    fmt::print("| {} | {} | {} | {} |\n", v.name, at_the_end(curves, &EpochRecord::train_loss, 1, 3),
               at_the_end(curves, &EpochRecord::val_loss, 1, 3),
               at_the_end(curves, &EpochRecord::val_accuracy, 100, 1));
    loss.series.push_back(series(v.name, curves, &EpochRecord::train_loss, 1));
    accuracy.series.push_back(series(v.name, curves, &EpochRecord::val_accuracy, 100));
  }
  write_file_atomic(folder / "sync_batch_norm_loss.svg", html::svg_file(loss));
  write_file_atomic(folder / "sync_batch_norm_accuracy.svg", html::svg_file(accuracy));
}

}  // namespace
}  // namespace ingot

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: {} configs/sync_batch_norm.yaml FOLDER\n", argv[0]);
    return 2;
  }
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  ingot::compare(argv[1], argv[2]);
}
