// Batches of data in memory are made without allocating anything a sample.
#include <gmock/gmock.h>

#include "count_allocations.h"
#include "ingot/data.h"

namespace ingot {
namespace {

/// Allocations for the second batch of this size.
int64_t allocations_for(const DatasetHandle& set, int64_t batch_size) {
  DataLoader loader(set, {.batch_size = batch_size, .shuffle = true});
  Epoch epoch = loader.epoch(0);
  epoch.next();
  const int64_t before = g_allocations;
  EXPECT_EQ(epoch.next()->size(), batch_size);
  return g_allocations - before;
}

TEST(LoaderMemory, LargerBatchesAllocateNoMore) {
  constexpr int64_t kSmall = 8, kLarge = 4096;
  const TensorDataset images(zeros({2 * kLarge, 1, 4, 4}, DType::u8), arange(2 * kLarge));
  const auto shuffled = random_split(images, std::vector<int64_t>{2 * kLarge, 0})[0];
  const Compose transform({RandomCrop(4, {.padding = 1}), RandomHorizontalFlip(), ToDtype(DType::f32)});
  for (const auto& set : {DatasetHandle(images), DatasetHandle(TransformedDataset(images, transform)),
                          DatasetHandle(TransformedDataset(shuffled, transform))}) {
    const int64_t small = allocations_for(set, kSmall), large = allocations_for(set, kLarge);
    // Lists of indices grow by doubling: some more for each of 9 doublings, and for each chunk that a thread takes.
    EXPECT_LT(large - small, 200) << small;
  }
}

}  // namespace
}  // namespace ingot
