// An epoch of Fashion-MNIST, shuffled, from bytes in memory to normalised floats, beside PyTorch's DataLoader in its
// two forms, alternating in one run: the same order of images, and outputs that are checked to be equal.
// Usage: bench_loader [ROUNDS]
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "exchange.h"
#include "ingot/data.h"
#include "sides.h"

namespace {

namespace fs = std::filesystem;

constexpr int64_t kBatch = 64, kCheckedBatches = 64;

ingot::DataLoader make_loader(int workers) {
  const ingot::Compose transform(
      {ingot::ToDtype(ingot::DType::f32, {.scale = true}), ingot::Normalize({0.286}, {0.353})});
  return ingot::DataLoader(ingot::TransformedDataset(ingot::FashionMnist(), transform),
                           {.batch_size = kBatch, .shuffle = true, .num_workers = workers});
}

/// Milliseconds of the whole and until the first batch.
std::vector<double> run_epoch(ingot::DataLoader& loader) {
  const auto start = std::chrono::steady_clock::now();
  const auto ms = [&] {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  };
  double first_batch = 0;
  for (const ingot::Batch& batch : loader.epoch(0))
    if (batch.position == 0) first_batch = ms();
  return {ms(), first_batch};
}

/// Writes the order of epoch 0 for the peers and returns its first batches.
std::vector<float> write_order(const fs::path& path) {
  std::ofstream file(path, std::ios::binary);
  std::vector<float> head;
  ingot::DataLoader loader = make_loader(0);
  int64_t batches = 0;
  for (const ingot::Batch& batch : loader.epoch(0)) {
    file.write(reinterpret_cast<const char*>(batch.indices.data()), static_cast<std::streamsize>(batch.size() * 8));
    if (batches++ >= kCheckedBatches) continue;
    const auto values = batch.input.to_vector<float>();
    head.insert(head.end(), values.begin(), values.end());
  }
  return head;
}

void check_equal(Peer& peer, const fs::path& path, const std::vector<float>& ours) {
  peer.ask("write " + path.string());
  check_close(ours, read_floats(path), 1e-6, peer.name());
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::stoi(argv[1]) : 5;
  const Scratch scratch;
  const fs::path order = scratch.folder / "order";
  const std::vector<float> head = write_order(order);
  std::vector<Side> sides;
  for (const int workers : {0, 2})
    sides.push_back({"Ingot, " + std::to_string(workers) + " workers",
                     [loader = std::make_shared<ingot::DataLoader>(make_loader(workers))](int epochs) {
                       return fastest(epochs, [&] { return run_epoch(*loader); });
                     }});
  for (const char* form : {"sample", "batch"})
    for (const int workers : {0, 2}) {
      const auto peer = std::make_shared<Peer>(
          "loader.py", std::vector{std::string(form), std::to_string(workers), std::to_string(kBatch), order.string()});
      check_equal(*peer, scratch.folder / "head", head);
      sides.push_back(Side::of(peer));
    }
  alternate(sides, rounds, 1);
  const double ours = std::min(sides[0].best[0], sides[1].best[0]);
  std::printf("60,000 images in batches of %d, fastest of %d epochs; outputs equal within 1e-6\n", int{kBatch}, rounds);
  for (const Side& side : sides)
    std::printf("%-36s %9.0f images/s  first batch after %8.2f ms  %6.1f times Ingot's time\n", side.name.c_str(),
                60000e3 / side.best[0], side.best[1], side.best[0] / ours);
}
