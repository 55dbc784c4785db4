#include "ingot/data_loader.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <set>

#include "data/scratch.h"
#include "data/toy.h"

namespace ingot {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

TensorDataset digits(int64_t n) { return {arange(n, DType::f32), arange(n)}; }

TEST(DataLoader, GivesBatchesInOrder) {
  DataLoader loader(digits(7), {.batch_size = 3});
  EXPECT_EQ(loader.size(), 3);
  std::vector<std::vector<float>> seen;
  for (const Batch& batch : loader.epoch(0)) {
    seen.push_back(batch.input.to_vector<float>());
    EXPECT_EQ(batch.target.to_vector<int64_t>(), batch.indices);
    EXPECT_EQ(batch.position, batch.indices[0]);
  }
  EXPECT_THAT(seen, ElementsAre(ElementsAre(0, 1, 2), ElementsAre(3, 4, 5), ElementsAre(6)));
}

TEST(DataLoader, DropLastAndEmptyDataSets) {
  DataLoader loader(digits(7), {.batch_size = 3, .drop_last = true});
  EXPECT_EQ(loader.size(), 2);
  EXPECT_THAT(indices_of(loader.epoch(0)), ElementsAre(0, 1, 2, 3, 4, 5));
  for (const int workers : {0, 2}) {
    DataLoader none(digits(0), {.batch_size = 3, .shuffle = true, .num_workers = workers});
    EXPECT_EQ(none.size(), 0);
    EXPECT_FALSE(none.epoch(0).next().has_value());
  }
}

TEST(DataLoader, BatchSizeNoneGivesSamples) {
  for (const int workers : {0, 2}) {
    DataLoader loader(Toy(3), {.batch_size = std::nullopt, .num_workers = workers});
    std::vector<int64_t> targets;
    for (const Batch& sample : loader.epoch(0)) {
      EXPECT_EQ(sample.input.shape(), Shape{2});
      targets.push_back(sample.target.item<int64_t>());
    }
    EXPECT_THAT(targets, ElementsAre(0, 1, 2));
  }
}

TEST(DataLoader, ShufflesByEpochAndSeed) {
  DataLoader loader(digits(100), {.batch_size = 8, .shuffle = true, .seed = 5});
  const auto first = indices_of(loader.epoch(0)), second = indices_of(loader.epoch(1));
  EXPECT_NE(first, second);
  EXPECT_EQ(indices_of(loader.epoch(0)), first);
  EXPECT_EQ(std::set(first.begin(), first.end()).size(), 100u);
  DataLoader other(digits(100), {.batch_size = 8, .shuffle = true, .seed = 6});
  EXPECT_NE(indices_of(other.epoch(0)), first);
}

TEST(DataLoader, IteratingTheLoaderItselfGoesFromEpochToEpoch) {
  DataLoader loader(digits(20), {.batch_size = 4, .shuffle = true});
  const auto one_pass = [&] {
    std::vector<int64_t> seen;
    for (const Batch& batch : loader) seen.insert(seen.end(), batch.indices.begin(), batch.indices.end());
    return seen;
  };
  const auto first = one_pass(), second = one_pass();
  EXPECT_EQ(first, indices_of(loader.epoch(0)));
  EXPECT_EQ(second, indices_of(loader.epoch(1)));
  loader.set_epoch(0);
  EXPECT_EQ(one_pass(), first);
}

// The contract: order, content and random numbers are a function of (seed, epoch, position) alone.
TEST(DataLoader, WorkersDoNotChangeAnything) {
  const auto all = [](int workers) {
    DataLoaderOptions options{.batch_size = 7, .shuffle = true, .num_workers = workers, .seed = 3};
    if (workers > 0) options.prefetch_factor = 3;
    DataLoader loader(Toy(100), options);
    return std::vector{drain(loader.epoch(0)), drain(loader.epoch(1))};
  };
  const auto alone = all(0);
  ASSERT_EQ(alone[0].size(), 15u);
  EXPECT_NE(alone[0], alone[1]);
  for (const int workers : {1, 2, 8}) EXPECT_EQ(all(workers), alone) << workers;
}

TEST(DataLoader, ResumesExactlyAnywhereWithOtherWorkersAndBatchSizes) {
  DataLoader loader(Toy(50), {.batch_size = 6, .shuffle = true, .seed = 9});
  for (const int workers : {0, 2}) {
    for (int64_t taken = 0; taken <= 9; ++taken) {
      Epoch epoch = loader.epoch(4);
      for (int64_t b = 0; b < taken; ++b) epoch.next();
      const LoaderState state = loader.state();
      EXPECT_EQ(state.position, std::min<int64_t>(taken * 6, 50));
      const Seen rest = drain(epoch);
      DataLoader resumed(Toy(50), {.batch_size = 6, .shuffle = true, .num_workers = workers});
      resumed.load_state(state);
      EXPECT_EQ(drain(resumed.epoch(4)), rest) << taken;
      EXPECT_EQ(drain(resumed.epoch(5)), drain(loader.epoch(5)));
      DataLoader other_size(Toy(50), {.batch_size = 4, .shuffle = true, .num_workers = workers});
      other_size.load_state(state);
      std::vector<double> joined, expected;
      for (const auto& b : drain(other_size.epoch(4))) joined.insert(joined.end(), b.begin(), b.end());
      for (const auto& b : rest) expected.insert(expected.end(), b.begin(), b.end());
      EXPECT_EQ(joined, expected);
    }
  }
}

TEST(DataLoader, StateWithinALoopIsThatAfterItsBatch) {
  for (const int workers : {0, 2}) {
    DataLoader loader(digits(20), {.batch_size = 4, .num_workers = workers});
    int64_t position = 0;
    for (const Batch& batch : loader) {
      position += batch.size();
      EXPECT_EQ(loader.state().position, position);
      if (position == 12) break;
    }
    DataLoader resumed(digits(20), {.batch_size = 4});
    resumed.load_state(loader.state());
    std::vector<int64_t> seen;
    for (const Batch& batch : resumed) seen.insert(seen.end(), batch.indices.begin(), batch.indices.end());
    EXPECT_THAT(seen, ElementsAre(12, 13, 14, 15, 16, 17, 18, 19));
  }
}

TEST(DataLoader, AStateAtTheEndLeadsToTheNextEpoch) {
  DataLoader loader(digits(6), {.batch_size = 4, .shuffle = true});
  indices_of(loader.epoch(0));
  DataLoader resumed(digits(6), {.batch_size = 4, .shuffle = true});
  resumed.load_state(loader.state());
  std::vector<int64_t> seen;
  for (const Batch& batch : resumed) seen.insert(seen.end(), batch.indices.begin(), batch.indices.end());
  EXPECT_EQ(seen, indices_of(loader.epoch(1)));
}

TEST(DataLoader, StatesOfOthersAreRefused) {
  DataLoader loader(digits(20), {.batch_size = 4});
  DataLoader shuffled(digits(20), {.batch_size = 4, .shuffle = true}),
      larger(TensorDataset(zeros({20, 2}), arange(20)), {.batch_size = 4});
  EXPECT_THAT(error_of([&] { loader.load_state(shuffled.state()); }),
              AllOf(HasSubstr("RandomSampler(20"), HasSubstr("SequentialSampler(20)")));
  EXPECT_THAT(error_of([&] { loader.load_state(larger.state()); }), HasSubstr("another data set"));
}

TEST(DataLoader, ErrorsComeOutOfTheirBatchAndIterationGoesOn) {
  for (const int workers : {0, 1, 2}) {
    DataLoader loader(Toy(12, {4, 5, 10}), {.batch_size = 3, .num_workers = workers});
    Epoch epoch = loader.epoch(0);
    EXPECT_EQ(epoch.next()->indices[0], 0);
    EXPECT_EQ(error_of([&] { epoch.next(); }), "sample 4: it is broken");
    EXPECT_EQ(loader.state().position, 6);
    EXPECT_EQ(epoch.next()->indices[0], 6);
    EXPECT_EQ(error_of([&] { epoch.next(); }), "sample 10: it is broken");
    EXPECT_FALSE(epoch.next().has_value());
  }
}

TEST(DataLoader, SkippingLeavesFailedSamplesOut) {
  for (const int workers : {0, 2}) {
    DataLoader loader(Toy(12, {4, 6, 7, 8}), {.batch_size = 3, .num_workers = workers, .on_error = OnError::skip});
    EXPECT_THAT(indices_of(loader.epoch(0)), ElementsAre(0, 1, 2, 3, 5, 9, 10, 11));
    EXPECT_EQ(loader.skipped(), 4);
    EXPECT_EQ(loader.state().position, 12);
    EXPECT_EQ(indices_of(loader.epoch(1)).size(), 8u);
    EXPECT_EQ(loader.skipped(), 8);
  }
}

TEST(DataLoader, SkippedSamplesAreReported) {
  for (const int workers : {0, 2}) {
    DataLoader loader(Toy(12, {4, 6}), {.batch_size = 3, .num_workers = workers, .on_error = OnError::skip});
    testing::internal::CaptureStderr();
    drain(loader.epoch(0));
    drain(loader.epoch(1));
    const std::string reported = testing::internal::GetCapturedStderr();
    EXPECT_THAT(reported, HasSubstr("samples that fail are left out; the first: sample 4: it is broken"));
    EXPECT_THAT(reported, AllOf(HasSubstr("samples left out of epoch 0: 2"), HasSubstr("out of epoch 1: 2")));
  }
}

TEST(DataLoader, SingleSamplesAreSkippedToo) {
  for (const int workers : {0, 2}) {
    DataLoader loader(Toy(4, {1}), {.batch_size = std::nullopt, .num_workers = workers, .on_error = OnError::skip});
    EXPECT_THAT(indices_of(loader.epoch(0)), ElementsAre(0, 2, 3));
  }
}

/// Writes rows itself and fails at some.
class Rows : public Dataset {
 public:
  int64_t size() const override { return 10; }
  Sample get(int64_t) const override { fail("not used"); }
  std::optional<SampleSpec> spec() const override { return SampleSpec{.input = {1}, .target = {}, .grain = 4}; }
  void get_batch(std::span<const int64_t> indices, std::span<const uint64_t>, Batch& batch,
                 int64_t first) const override {
    for (size_t k = 0; k < indices.size(); ++k) {
      CHECK(indices[k] != 5, "row 5 is broken");
      const_cast<float*>(batch.input.data<float>())[first + static_cast<int64_t>(k)] = static_cast<float>(indices[k]);
      const_cast<int64_t*>(batch.target.data<int64_t>())[first + static_cast<int64_t>(k)] = indices[k];
    }
  }
};

TEST(DataLoader, BatchWritersFailBySample) {
  for (const int workers : {0, 2}) {
    DataLoader loader(Rows{}, {.batch_size = 8, .num_workers = workers});
    Epoch epoch = loader.epoch(0);
    EXPECT_EQ(error_of([&] { epoch.next(); }), "sample 5: row 5 is broken");
    EXPECT_THAT(epoch.next()->input.to_vector<float>(), ElementsAre(8, 9));
    DataLoader skipping(Rows{}, {.batch_size = 8, .num_workers = workers, .on_error = OnError::skip});
    Epoch again = skipping.epoch(0);
    EXPECT_THAT(again.next()->input.to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 6, 7));
    EXPECT_EQ(skipping.skipped(), 1);
  }
}

TEST(DataLoader, UnequalSamplesAreNamed) {
  class Growing : public Dataset {
   public:
    int64_t size() const override { return 4; }
    Sample get(int64_t i) const override { return {zeros({i < 3 ? 2 : 5}), scalar(0), {}}; }
  };
  DataLoader loader(Growing{}, {.batch_size = 4});
  EXPECT_THAT(error_of([&] { loader.epoch(0).next(); }),
              HasSubstr("sample 3: the input is f32 [5], that of sample 0 is f32 [2]"));
}

TEST(DataLoader, TimeoutNamesTheLateSampleAndWaitingGoesOn) {
  Toy toy(6);
  toy.slow = 4;
  toy.slow_ms = 400;
  DataLoader loader(toy, {.batch_size = 3, .num_workers = 1, .timeout = 0.1});
  Epoch epoch = loader.epoch(0);
  EXPECT_EQ(epoch.next()->indices[0], 0);
  EXPECT_EQ(error_of([&] { epoch.next(); }), "timeout: after 0.1 s batch 1 still waits for sample 4 and 1 others");
  std::optional<Batch> late;
  while (!late) try {
      late = epoch.next();
    } catch (const Error&) {
    }
  EXPECT_THAT(late->indices, ElementsAre(3, 4, 5));
}

TEST(DataLoader, TimeoutNamesTheLateSampleOfAStream) {
  class Slow : public ToyStream {
   public:
    Slow() : ToyStream(6) {}
    std::optional<Sample> next() override {
      auto sample = ToyStream::next();
      if (sample && sample->target.item<int64_t>() == 4) std::this_thread::sleep_for(std::chrono::milliseconds(400));
      return sample;
    }
  };
  DataLoader loader(std::make_shared<Slow>(), {.batch_size = 3, .num_workers = 2, .timeout = 0.1});
  Epoch epoch = loader.epoch(0);
  EXPECT_EQ(epoch.next()->indices[0], 0);
  EXPECT_EQ(error_of([&] { epoch.next(); }), "timeout: after 0.1 s batch 1 still waits for sample 4");
}

TEST(DataLoader, ATimeoutBeyondTheClockWaits) {
  for (const double timeout : {1e300, std::numeric_limits<double>::infinity()}) {
    DataLoader loader(Toy(4), {.num_workers = 1, .timeout = timeout});
    EXPECT_EQ(drain(loader.epoch(0)).size(), 4u);
  }
}

TEST(DataLoader, BreakingOutAndStartingAgain) {
  for (const int workers : {0, 2}) {
    DataLoader loader(Toy(60), {.batch_size = 2, .shuffle = true, .num_workers = workers});
    const auto whole = drain(loader.epoch(0));
    for (int round = 0; round < 20; ++round) {
      size_t b = 0;
      for (const Batch& batch : loader.epoch(0)) {
        EXPECT_EQ(batch.input.to_vector<double>(), whole[b]);
        if (++b == 3) break;
      }
    }
    EXPECT_EQ(drain(loader.epoch(0)), whole);
    Epoch old = loader.epoch(0);
    old.next();
    Epoch fresh = loader.epoch(1);
    EXPECT_THAT(error_of([&] { old.next(); }), HasSubstr("given up"));
    EXPECT_TRUE(fresh.next().has_value());
  }
}

TEST(DataLoader, OutOfOrderGivesTheSameBatches) {
  Toy toy(40);
  toy.slow = 1;
  toy.slow_ms = 20;
  DataLoader loader(toy, {.batch_size = 4, .num_workers = 2, .in_order = false});
  Seen unordered = drain(loader.epoch(0));
  DataLoader plain(Toy(40), {.batch_size = 4});
  Seen ordered = drain(plain.epoch(0));
  std::sort(unordered.begin(), unordered.end());
  std::sort(ordered.begin(), ordered.end());
  EXPECT_EQ(unordered, ordered);
  Epoch epoch = loader.epoch(0);
  epoch.next();
  EXPECT_THAT(error_of([&] { loader.state(); }), HasSubstr("in_order"));
}

TEST(DataLoader, WorkerInitRunsPerEpochOrOnceWhenPersistent) {
  for (const bool persistent : {false, true}) {
    std::atomic<int> calls = 0;
    DataLoader loader(Toy(30), {.num_workers = 1,
                                .worker_init_fn = [&](int worker) { calls += worker == 0; },
                                .persistent_workers = persistent});
    for (int64_t e = 0; e < 3; ++e) drain(loader.epoch(e));
    EXPECT_EQ(calls, persistent ? 1 : 3);
  }
  DataLoader failing(Toy(30), {.num_workers = 1, .worker_init_fn = [](int) { throw Error("no luck"); }});
  EXPECT_EQ(error_of([&] { failing.epoch(0).next(); }), "worker_init_fn of worker 0: no luck");
}

TEST(DataLoader, CustomCollateAndBatchSampler) {
  class Pairs : public BatchSampler {  // (0, 9), (1, 8), ...
   public:
    Pairs() : BatchSampler(SequentialSampler(10), 2, false) {}
    std::vector<int64_t> at(RandomKey, int64_t b) const override { return {b, 9 - b}; }
    std::string str() const override { return "Pairs"; }
  };
  for (const int workers : {0, 2}) {
    DataLoader loader(Toy(10), {.batch_sampler = std::make_shared<Pairs>(),
                                .num_workers = workers,
                                .collate_fn = [](std::span<const Sample> samples, std::span<const int64_t>) {
                                  return Batch{.input = samples[1].input, .extra = "mine"};
                                }});
    EXPECT_EQ(loader.size(), 5);
    Epoch epoch = loader.epoch(0);
    const Batch first = *epoch.next();
    EXPECT_THAT(first.indices, ElementsAre(0, 9));
    EXPECT_EQ(first.input.to_vector<double>()[0], 9);
    EXPECT_EQ(std::get<std::string>(first.extra), "mine");
    const LoaderState state = loader.state();
    EXPECT_EQ(state.position, 1);
    const auto rest = drain(epoch);
    loader.load_state(state);
    EXPECT_EQ(drain(loader.epoch(0)), rest);
  }
}

TEST(DataLoader, BadIndicesOfASamplerAreNamed) {
  for (const int workers : {0, 2}) {
    DataLoader loader(Toy(5), {.sampler = SequentialSampler(7), .num_workers = workers});
    EXPECT_THAT(error_of([&] { drain(loader.epoch(0)); }),
                HasSubstr("gives index 5, which is outside the data set's [0, 5)"));
  }
}

TEST(DataLoader, BatchesReuseMemory) {
  DataLoader loader(TensorDataset(zeros({512, 64, 64}), arange(512)), {.batch_size = 32, .num_workers = 2});
  const MemoryUse before = memory_use();
  for (int64_t e = 0; e < 4; ++e)
    for (const Batch& batch : loader.epoch(e)) EXPECT_EQ(batch.size(), 32);
  const MemoryUse after = memory_use();
  // The same few blocks go round: two in work a worker, one with the caller, one on its way. 64 batches went by.
  constexpr size_t kBatchBytes = 32 * 64 * 64 * sizeof(float) + 32 * sizeof(int64_t), kInFlight = 2 * 2 + 2;
  EXPECT_LE(after.used + after.cached, before.used + before.cached + kInFlight * kBatchBytes);
  std::vector<Tensor> kept;  // a batch that is kept is not overwritten
  for (const Batch& batch : loader.epoch(0)) kept.push_back(batch.target);
  for (size_t b = 0; b < kept.size(); ++b) EXPECT_EQ(kept[b].data<int64_t>()[0], static_cast<int64_t>(b) * 32);
}

TEST(DataLoader, IterableDataSets) {
  for (const int workers : {0, 1, 3}) {
    DataLoader loader(std::make_shared<ToyStream>(7), {.batch_size = 3, .num_workers = workers});
    EXPECT_THAT(drain(loader.epoch(0)), ElementsAre(ElementsAre(0, 1, 2), ElementsAre(3, 4, 5), ElementsAre(6)));
    Epoch epoch = loader.epoch(1);
    epoch.next();
    const LoaderState state = loader.state();
    EXPECT_EQ(state.position, 3);
    loader.load_state(state);
    EXPECT_THAT(drain(loader.epoch(1)), ElementsAre(ElementsAre(3, 4, 5), ElementsAre(6)));
    EXPECT_THAT(error_of([&] { loader.size(); }), HasSubstr("iterable"));
    DataLoader dropping(std::make_shared<ToyStream>(7), {.batch_size = 3, .num_workers = workers, .drop_last = true});
    EXPECT_EQ(drain(dropping.epoch(0)).size(), 2u);
    DataLoader failing(std::make_shared<ToyStream>(7, 4), {.batch_size = 3, .num_workers = workers});
    Epoch broken = failing.epoch(0);
    broken.next();
    EXPECT_EQ(error_of([&] { broken.next(); }), "sample 4: it is broken");
    EXPECT_THAT(broken.next()->input.to_vector<float>(), ElementsAre(5, 6));
    DataLoader skipping(std::make_shared<ToyStream>(7, 4),
                        {.batch_size = 3, .num_workers = workers, .on_error = OnError::skip});
    EXPECT_THAT(drain(skipping.epoch(0)), ElementsAre(ElementsAre(0, 1, 2), ElementsAre(3, 5, 6)));
  }
}

TEST(DataLoader, ContradictionsAreRefusedNamingBothOptions) {
  const auto refusal = [](DataLoaderOptions options) {
    return error_of([&] { DataLoader loader(Toy(4), std::move(options)); });
  };
  const auto batches = std::make_shared<BatchSampler>(SequentialSampler(4), 2, false);
  EXPECT_THAT(refusal({.num_workers = -1}), HasSubstr("num_workers is -1"));
  EXPECT_THAT(refusal({.num_workers = 1, .timeout = -1}), HasSubstr("timeout is -1"));
  EXPECT_THAT(refusal({.num_workers = 1, .timeout = NAN}), HasSubstr("timeout is nan"));
  EXPECT_THAT(refusal({.num_workers = 1, .prefetch_factor = -2}), HasSubstr("prefetch_factor is -2"));
  EXPECT_THAT(refusal({.num_workers = 1, .prefetch_factor = 0}), HasSubstr("prefetch_factor is 0"));
  EXPECT_THAT(refusal({.prefetch_factor = 2}), AllOf(HasSubstr("prefetch_factor"), HasSubstr("num_workers is 0")));
  EXPECT_THAT(refusal({.persistent_workers = true}),
              AllOf(HasSubstr("persistent_workers"), HasSubstr("num_workers is 0")));
  EXPECT_THAT(refusal({.timeout = 1}), AllOf(HasSubstr("timeout"), HasSubstr("num_workers is 0")));
  EXPECT_THAT(refusal({.batch_size = 0}), HasSubstr("batch_size is 0"));
  EXPECT_THAT(refusal({.shuffle = true, .sampler = SequentialSampler(4)}),
              AllOf(HasSubstr("sampler"), HasSubstr("shuffle")));
  EXPECT_THAT(refusal({.batch_size = 2, .batch_sampler = batches}),
              AllOf(HasSubstr("batch_sampler"), HasSubstr("batch_size")));
  EXPECT_THAT(refusal({.batch_size = std::nullopt, .batch_sampler = batches}),
              AllOf(HasSubstr("batch_sampler"), HasSubstr("batch_size")));
  EXPECT_THAT(refusal({.shuffle = true, .batch_sampler = batches}),
              AllOf(HasSubstr("batch_sampler"), HasSubstr("shuffle")));
  EXPECT_THAT(refusal({.sampler = SequentialSampler(4), .batch_sampler = batches}),
              AllOf(HasSubstr("batch_sampler"), HasSubstr("and sampler")));
  EXPECT_THAT(refusal({.batch_sampler = batches, .drop_last = true}),
              AllOf(HasSubstr("batch_sampler"), HasSubstr("drop_last")));
  EXPECT_THAT(refusal({.batch_size = std::nullopt, .drop_last = true}),
              AllOf(HasSubstr("batch_size"), HasSubstr("drop_last")));
  EXPECT_EQ(refusal({.multiprocessing_context = "fork"}), "multiprocessing_context 'fork' has no meaning with threads");
  EXPECT_EQ(refusal({.pin_memory = true}), "");
  const auto iterable = [](DataLoaderOptions options) {
    return error_of([&] { DataLoader loader(std::make_shared<ToyStream>(4), std::move(options)); });
  };
  EXPECT_THAT(iterable({.shuffle = true}), AllOf(HasSubstr("shuffle"), HasSubstr("iterable")));
  EXPECT_THAT(iterable({.sampler = SequentialSampler(4)}), AllOf(HasSubstr("sampler"), HasSubstr("iterable")));
  EXPECT_THAT(iterable({.batch_sampler = batches}), AllOf(HasSubstr("batch_sampler"), HasSubstr("iterable")));
}

TEST(DataLoader, NothingIsRefusedByName) {
  EXPECT_EQ(error_of([] { DataLoader(std::shared_ptr<Toy>()); }), "the data set is null");
  EXPECT_EQ(error_of([] { DataLoader(std::shared_ptr<IterableDataset>()); }), "the data set is null");
  EXPECT_EQ(error_of([] { SamplerHandle(std::shared_ptr<SequentialSampler>()); }), "the sampler is null");
}

}  // namespace
}  // namespace ingot
