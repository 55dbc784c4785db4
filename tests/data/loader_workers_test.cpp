// What workers are: few threads that stay, read ahead so far and no further, and wait for no slow sample but their own.
#include <gmock/gmock.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>

#include "base/parallel.h"
#include "data/scratch.h"
#include "data/toy.h"

namespace ingot {
namespace {

using testing::ElementsAre;

constexpr std::chrono::seconds kPatience{20};  // after which a test fails, where it would else wait for ever

/// Calls `before(i)` on the worker's thread, then gives i.
class Watched : public Dataset {
 public:
  Watched(int64_t n, std::function<void(int64_t)> before) : n_(n), before_(std::move(before)) {}
  int64_t size() const override { return n_; }
  Sample get(int64_t index) const override {
    before_(index);
    return {scalar(static_cast<double>(index)), scalar(static_cast<double>(index), DType::i64), {}};
  }

 private:
  int64_t n_;
  std::function<void(int64_t)> before_;
};

/// Something that threads wait for.
class Flag {
 public:
  void raise() {
    const std::scoped_lock lock(mutex_);
    raised_ = true;
    changed_.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return raised_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool raised_ = false;
};

TEST(LoaderWorkers, ASlowSampleHoldsUpItsBatchOnly) {
  if (available_cpus() < 2) GTEST_SKIP() << "one CPU runs one worker";
  Flag later;
  std::atomic<bool> waited = false;
  const Watched set(8, [&](int64_t i) {
    if (i == 0) waited = later.wait();  // until the last sample of the fourth batch is read
    if (i == 7) later.raise();
  });
  DataLoader loader(set, {.batch_size = 2, .num_workers = 2, .prefetch_factor = 2});
  EXPECT_THAT(indices_of(loader.epoch(0)), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_TRUE(waited);
}

TEST(LoaderWorkers, ReadAheadAsFarAsPrefetchFactorSays) {
  constexpr int64_t kBatch = 3;
  for (const auto factor : {std::optional<int>(), std::optional(1), std::optional(3)}) {
    const int64_t ahead = factor.value_or(2);
    std::atomic<int64_t> asked = 0, most = 0;
    Flag full;
    const Watched set(60, [&](int64_t i) {
      most = std::max<int64_t>(most, i - asked * kBatch);
      if (i == ahead * kBatch - 1) full.raise();
    });
    DataLoader loader(set, {.batch_size = kBatch, .num_workers = 1, .prefetch_factor = factor});
    Epoch epoch = loader.epoch(0);
    EXPECT_TRUE(full.wait()) << ahead;  // though nobody has asked for a batch
    do ++asked;
    while (epoch.next());
    EXPECT_LT(most, ahead * kBatch) << ahead;
  }
}

TEST(LoaderWorkers, AreThreadsThatStayAndAreNoMoreThanCpus) {
  for (const bool persistent : {false, true}) {
    std::mutex mutex;
    std::set<std::thread::id> threads;
    const Watched set(64, [&](int64_t) {
      const std::scoped_lock lock(mutex);
      threads.insert(std::this_thread::get_id());
    });
    DataLoader loader(set, {.batch_size = 4, .num_workers = 200, .persistent_workers = persistent});
    for (int64_t e = 0; e < 5; ++e) drain(loader.epoch(e));
    EXPECT_LE(static_cast<int>(threads.size()), available_cpus());
    EXPECT_FALSE(threads.contains(std::this_thread::get_id()));
  }
}

TEST(LoaderWorkers, RunNestedLoopsAlone) {
  std::atomic<int> most = 0;
  const Watched set(8, [&](int64_t) {
    parallel_for(1000, 1,
                 [&](int64_t begin, int64_t end) { most = std::max<int>(most, static_cast<int>(end - begin)); });
  });
  DataLoader loader(set, {.num_workers = 2});
  drain(loader.epoch(0));
  EXPECT_EQ(most, 1000);  // in one piece: the compute threads have their own work
}

TEST(LoaderWorkers, AnInitThatFailsIsTriedAgainInTheNextEpoch) {
  for (const bool persistent : {false, true}) {
    std::atomic<int> calls = 0;
    DataLoader loader(Toy(4), {.num_workers = 1,
                               .worker_init_fn =
                                   [&](int) {
                                     if (++calls == 1) throw 7;  // no std::exception
                                   },
                               .persistent_workers = persistent});
    EXPECT_EQ(error_of([&] { drain(loader.epoch(0)); }),
              "worker_init_fn of worker 0: an exception that is no std::exception");
    EXPECT_EQ(drain(loader.epoch(1)).size(), 4u);
    EXPECT_EQ(drain(loader.epoch(2)).size(), 4u);
    EXPECT_EQ(calls, persistent ? 2 : 3);
  }
}

TEST(LoaderWorkers, PinMemoryChangesNothing) {
  const auto batches = [](bool pin) {
    DataLoader loader(Toy(10), {.batch_size = 3, .shuffle = true, .num_workers = 2, .pin_memory = pin});
    return drain(loader.epoch(0));
  };
  EXPECT_EQ(batches(true), batches(false));
}

}  // namespace
}  // namespace ingot
