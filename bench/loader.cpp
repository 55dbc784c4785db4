// An epoch of Fashion-MNIST, shuffled, from bytes in memory to normalised floats, beside PyTorch's DataLoader in its
// two forms, alternating in one run: the same order of images, and outputs that are checked to be equal.
// Usage: bench_loader [ROUNDS]
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "ingot/data.h"
#include "peer.h"

namespace {

namespace fs = std::filesystem;

constexpr int64_t kBatch = 64, kCheckedBatches = 64;

struct Times {
  double epoch, first_batch;  // seconds
};

struct Side {
  std::string name;
  std::function<Times()> run;
  Times best = {1e30, 1e30};
};

ingot::DataLoader make_loader(int workers) {
  const ingot::Compose transform(
      {ingot::ToDtype(ingot::DType::f32, {.scale = true}), ingot::Normalize({0.286}, {0.353})});
  return ingot::DataLoader(ingot::TransformedDataset(ingot::FashionMnist(), transform),
                           {.batch_size = kBatch, .shuffle = true, .num_workers = workers});
}

Times run_epoch(ingot::DataLoader& loader) {
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  Times times{0, 0};
  for (const ingot::Batch& batch : loader.epoch(0))
    if (batch.position == 0) times.first_batch = seconds();
  times.epoch = seconds();
  return times;
}

struct Scratch {
  fs::path folder = fs::temp_directory_path() / ("ingot_bench_" + std::to_string(getpid()));
  Scratch() { fs::create_directories(folder); }
  ~Scratch() { fs::remove_all(folder); }
};

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
  std::vector<float> theirs(ours.size());
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(theirs.data()), static_cast<std::streamsize>(theirs.size() * sizeof(float)));
  CHECK(file && file.peek() == EOF, "{} wrote another number of values", peer.name());
  for (size_t i = 0; i < ours.size(); ++i)
    CHECK(std::abs(ours[i] - theirs[i]) <= 1e-6f * std::max(1.0f, std::abs(ours[i])), "value {} is {}, {} gives {}", i,
          ours[i], peer.name(), theirs[i]);
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::stoi(argv[1]) : 5;
  const Scratch scratch;
  const fs::path order = scratch.folder / "order";
  const std::vector<float> head = write_order(order);
  std::vector<Side> sides;
  for (const int workers : {0, 2})
    sides.push_back(
        {"Ingot, " + std::to_string(workers) + " workers",
         [loader = std::make_shared<ingot::DataLoader>(make_loader(workers))] { return run_epoch(*loader); }});
  for (const char* form : {"sample", "batch"})
    for (const int workers : {0, 2}) {
      const auto peer = std::make_shared<Peer>(
          "loader.py", std::vector{std::string(form), std::to_string(workers), std::to_string(kBatch), order.string()});
      check_equal(*peer, scratch.folder / "head", head);
      sides.push_back({peer->name(), [peer] {
                         const std::vector<double> seconds = peer->ask("epoch");
                         return Times{seconds.at(0), seconds.at(1)};
                       }});
    }
  for (int round = 0; round < rounds; ++round)
    for (Side& side : sides) {
      const Times times = side.run();
      side.best = {std::min(side.best.epoch, times.epoch), std::min(side.best.first_batch, times.first_batch)};
    }
  const double ours = std::min(sides[0].best.epoch, sides[1].best.epoch);
  std::printf("60,000 images in batches of %d, fastest of %d epochs; outputs equal within 1e-6\n", int{kBatch}, rounds);
  for (const Side& side : sides)
    std::printf("%-36s %9.0f images/s  first batch after %8.2f ms  %6.1f times Ingot's time\n", side.name.c_str(),
                60000 / side.best.epoch, side.best.first_batch * 1e3, side.best.epoch / ours);
}
