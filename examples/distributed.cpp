// Training on several ranks: a batch is spread over them, batch norm sees all of it, and every rank ends with the same
// weights. Alone it trains on one rank; `scripts/launch.sh -n 2 build/release/example_distributed` takes two.
#include <cstdio>

#include "ingot/data_loader.h"
#include "ingot/data_parallel.h"
#include "ingot/launch.h"
#include "ingot/nn.h"
#include "ingot/optim.h"
#include "ingot/sync_batch_norm.h"

using namespace ingot;

namespace {

constexpr int64_t kImages = 512, kSide = 12, kClasses = 4;

/// Noise that is brighter in the quarter of its class.
TensorDataset make_images() {
  std::vector<int64_t> labels(kImages);
  for (int64_t i = 0; i < kImages; ++i) labels[static_cast<size_t>(i)] = i % kClasses;
  Tensor x = normal({kImages, 1, kSide, kSide}, 0, 1, RandomKey{1});
  auto* const pixels = x.mutable_data<float>();
  for (int64_t i = 0; i < x.numel(); ++i) {
    const int64_t column = i % kSide, row = i / kSide % kSide, image = i / (kSide * kSide);
    if (2 * (row / (kSide / 2)) + column / (kSide / 2) == image % kClasses) pixels[i] += 0.7F;
  }
  return {x, from_vector(labels, {kImages})};
}

}  // namespace

int main() {
  const Launch launch;  // the ranks that mpirun started, or this process alone
  const SeedScope seed(7);
  Sequential net(Conv2d(1, 8, 3), BatchNorm2d(8), ReLU(), MaxPool2d({.kernel = 2}), Flatten(),
                 Linear(8 * 5 * 5, kClasses));
  convert_sync_batchnorm(net);

  DataParallel parallel(net);  // begins with rank 0's weights on all ranks
  SGD sgd(net.parameters(), {.lr = 0.05, .momentum = 0.9});
  DataLoader loader(make_images(),
                    {.batch_size = 32, .shuffle = true, .part = world().rank(), .parts = world().size()});
  double loss = 0;
  for (int64_t epoch = 0; epoch < 5; ++epoch) {
    for (const Batch& batch : loader.epoch(epoch)) {
      sgd.zero_grad();
      loss = parallel.backward(cross_entropy_sum(net(batch.input), batch.target));  // of the whole batch
      sgd.step();
    }
    if (world().rank() == 0)
      std::printf("epoch %d on %d ranks: loss %.3f\n", static_cast<int>(epoch) + 1, world().size(), loss);
  }
  parallel.check_equal();
  return loss < 0.5 ? 0 : 1;
}
