// Batches of data in memory are made without allocating anything a sample.
#include <gmock/gmock.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "ingot/data.h"

namespace {
std::atomic<int64_t> g_allocations{0};
}  // namespace

// Counts every allocation of this test program.
void* operator new(size_t bytes) {
  g_allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* data = std::malloc(bytes != 0 ? bytes : 1)) return data;
  throw std::bad_alloc();
}
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  g_allocations.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(bytes != 0 ? bytes : 1);
}
void operator delete(void* data) noexcept { std::free(data); }
void operator delete(void* data, size_t) noexcept { std::free(data); }

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
