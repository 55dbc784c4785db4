// What the order and the content of batches depend on: seed, epoch and position alone.
#include <gmock/gmock.h>

#include "data/scratch.h"
#include "data/toy.h"
#include "error_of.h"

namespace ingot {
namespace {

using testing::HasSubstr;

constexpr int64_t kSamples = 48;

std::vector<double> flat(const Seen& seen) {
  std::vector<double> out;
  for (const auto& batch : seen) out.insert(out.end(), batch.begin(), batch.end());
  return out;
}

// ---- Ranks

/// What `world` ranks give in an epoch from a state on, each batch of theirs joined to the global one. A sample is two
/// numbers, its index and a random one.
Seen together(int64_t world, const std::function<DataLoader(int64_t rank)>& loader_of, int64_t epoch,
              const LoaderState* from = nullptr) {
  std::vector<Seen> ranks;
  for (int64_t rank = 0; rank < world; ++rank) {
    DataLoader loader = loader_of(rank);
    if (from != nullptr) loader.load_state(*from);
    ranks.push_back(drain(loader.epoch(epoch)));
  }
  Seen joined(ranks[0].size());
  for (size_t b = 0; b < joined.size(); ++b)
    for (size_t i = 0; i < ranks[0][b].size(); i += 2)
      for (const Seen& own : ranks) joined[b].insert(joined[b].end(), {own.at(b).at(i), own.at(b).at(i + 1)});
  return joined;
}

constexpr int64_t kGlobalBatch = 8;

DataLoader by_sampler(int64_t world, int64_t rank, int workers) {
  return DataLoader(Toy(kSamples), {.batch_size = kGlobalBatch / world,
                                    .sampler = DistributedSampler(kSamples, {.num_replicas = world, .rank = rank}),
                                    .num_workers = workers,
                                    .seed = 3});
}
DataLoader by_batch_sampler(int64_t world, int64_t rank, int workers) {
  const DistributedSampler own(kSamples, {.num_replicas = world, .rank = rank});
  return DataLoader(Toy(kSamples), {.batch_sampler = std::make_shared<BatchSampler>(own, kGlobalBatch / world, false),
                                    .num_workers = workers,
                                    .seed = 3});
}

TEST(LoaderOrder, TheGlobalBatchesAreTheSameForEveryNumberOfRanksAndWorkers) {
  for (const auto& loader_of : {by_sampler, by_batch_sampler}) {
    const Seen whole = together(1, [&](int64_t) { return loader_of(1, 0, 0); }, 2);
    EXPECT_EQ(whole.size(), 6u);
    for (const int64_t world : {1, 2, 4, 8})
      for (const int workers : {0, 8})
        EXPECT_EQ(together(
                      world, [&](int64_t rank) { return loader_of(world, rank, workers); }, 2),
                  whole)
            << world << " ranks, " << workers << " workers";
  }
}

TEST(LoaderOrder, AnotherNumberOfRanksResumesAtTheSameGlobalBatch) {
  for (const auto& loader_of : {by_sampler, by_batch_sampler}) {
    DataLoader half = loader_of(2, 0, 0);
    Epoch epoch = half.epoch(1);
    epoch.next(), epoch.next();
    const LoaderState state = half.state();
    const Seen whole = together(1, [&](int64_t) { return loader_of(1, 0, 0); }, 1);
    const Seen rest(whole.begin() + 2, whole.end());
    for (const int64_t world : {1, 2, 4})
      EXPECT_EQ(together(world, [&](int64_t rank) { return loader_of(world, rank, 2); }, 1, &state), rest) << world;
  }
}

TEST(LoaderOrder, APositionBetweenTheRanksIsRefused) {
  DataLoader one = by_sampler(1, 0, 0);
  Epoch epoch = one.epoch(0);
  epoch.next();
  DataLoader third(Toy(kSamples), {.sampler = DistributedSampler(kSamples, {.num_replicas = 3, .rank = 1}), .seed = 3});
  EXPECT_THAT(error_of([&] { third.load_state(one.state()); }), HasSubstr("position 8 does not divide by 3 ranks"));
}

// ---- Resuming

struct SamplerCase {
  std::string name;
  SamplerHandle sampler;
};

std::vector<SamplerCase> samplers() {
  const std::vector<double> weights{1, 2, 0, 3, 4, 5, 6, 1, 1, 2};
  return {{"sequential", SequentialSampler(10)},
          {"random", RandomSampler(10)},
          {"replaced", RandomSampler(10, {.replacement = true, .num_samples = 23})},
          {"longer", RandomSampler(10, {.num_samples = 23})},
          {"subset", SubsetRandomSampler({1, 1, 2, 3, 5, 8})},
          {"weighted", WeightedRandomSampler(weights, 17)},
          {"weighted_once", WeightedRandomSampler(weights, 7, false)},
          {"distributed", DistributedSampler(10, {.num_replicas = 3, .rank = 2})},
          {"distributed_in_order", DistributedSampler(10, {.num_replicas = 3, .shuffle = false, .drop_last = true})}};
}

TEST(LoaderOrder, EverySamplerResumesAnywhereWithOtherWorkers) {
  for (const auto& [name, sampler] : samplers()) {
    const auto loader_of = [&s = sampler](int workers) {
      return DataLoader(Toy(10), {.batch_size = 2, .sampler = s, .num_workers = workers, .seed = 4});
    };
    const auto whole = flat(drain(loader_of(0).epoch(3)));
    for (int64_t taken = 0; taken <= (sampler->size() + 1) / 2; ++taken) {
      DataLoader first = loader_of(taken % 2 == 0 ? 0 : 2);
      Epoch epoch = first.epoch(3);
      for (int64_t b = 0; b < taken; ++b) epoch.next();
      DataLoader second = loader_of(taken % 2 == 0 ? 2 : 0);
      second.load_state(first.state());
      const auto rest = flat(drain(second.epoch(3)));
      ASSERT_LE(rest.size(), whole.size());
      EXPECT_EQ(rest, std::vector(whole.end() - static_cast<int64_t>(rest.size()), whole.end())) << name;
      EXPECT_EQ(static_cast<int64_t>(rest.size()) / 2, sampler->size() - std::min(sampler->size(), 2 * taken)) << name;
    }
  }
}

TEST(LoaderOrder, ResumingFarInCostsNoMoreThanAtTheStart) {
  constexpr int64_t kHuge = int64_t{1} << 50;
  /// Says which place was asked for first.
  class Watched : public RandomSampler {
   public:
    explicit Watched(std::atomic<int64_t>& first) : RandomSampler(kHuge), first_(&first) {}
    int64_t at(RandomKey key, int64_t i) const override {
      int64_t none = -1;
      first_->compare_exchange_strong(none, i);
      return RandomSampler::at(key, i);
    }

   private:
    std::atomic<int64_t>* first_;
  };
  std::atomic<int64_t> first = -1;
  DataLoader loader(Toy(kHuge), {.batch_size = 4, .sampler = Watched(first), .num_workers = 2});
  LoaderState state = loader.state();
  state.position = kHuge / 2;
  loader.load_state(state);
  EXPECT_EQ(loader.epoch(0).next()->position, kHuge / 2);
  EXPECT_EQ(first, kHuge / 2);
}

/// Gives 0, 1, ... with random numbers of the places, from a store of three that it draws from at random: what comes
/// depends on all draws before. Some samples fail after drawing.
class Shuffling : public IterableDataset {
 public:
  explicit Shuffling(int64_t n) : n_(n) {}
  void start(uint64_t seed) override {
    next_ = 0;
    seed_ = seed;
    store_.clear();
  }
  std::optional<Sample> next() override {
    while (store_.size() < 3 && next_ < n_) store_.push_back(next_++);
    if (store_.empty()) return std::nullopt;
    const auto words = philox(Generator::current().next("store"), 0);
    const size_t at = words[0] % store_.size();
    const int64_t i = store_[at];
    store_.erase(store_.begin() + static_cast<int64_t>(at));
    CHECK(i % 5 != 3, "it is broken");
    return Sample{from_vector<double>({static_cast<double>(i), static_cast<double>(seed_ % 1000)}, {2}),
                  scalar(0, DType::i64),
                  {}};
  }

 private:
  int64_t n_, next_ = 0;
  uint64_t seed_ = 0;
  std::vector<int64_t> store_;
};

/// The rest of an epoch, failing batches as an empty one.
Seen drain_all(Epoch epoch) {
  Seen seen;
  while (true) try {
      auto batch = epoch.next();
      if (!batch) return seen;
      seen.push_back(batch->input.to_vector<double>());
    } catch (const Error&) {
      seen.emplace_back();
    }
}

TEST(LoaderOrder, IterableDataSetsResumePastFailuresWithTheSameDraws) {
  const auto loader_of = [](int workers) {
    return DataLoader(std::make_shared<Shuffling>(23), {.batch_size = 3, .num_workers = workers, .seed = 8});
  };
  const Seen whole = drain_all(loader_of(0).epoch(2));
  EXPECT_NE(whole, drain_all(loader_of(0).epoch(1)));
  for (size_t taken = 0; taken <= whole.size(); ++taken) {
    const int workers = static_cast<int>(taken) % 3;
    DataLoader first = loader_of(workers);
    Epoch epoch = first.epoch(2);
    for (size_t b = 0; b < taken; ++b) error_of([&] { epoch.next(); });
    DataLoader second = loader_of(2 - workers);
    second.load_state(first.state());
    EXPECT_EQ(drain_all(second.epoch(2)), Seen(whole.begin() + static_cast<int64_t>(taken), whole.end())) << taken;
  }
}

TEST(LoaderOrder, AFailingSamplerDoesNotMoveThePosition) {
  class Failing : public SequentialSampler {
   public:
    Failing() : SequentialSampler(12) {}
    int64_t at(RandomKey, int64_t i) const override {
      CHECK(i != 5, "place 5 is broken");
      return i;
    }
  };
  for (const int workers : {0, 2}) {
    DataLoader loader(Toy(12), {.batch_size = 4, .sampler = Failing(), .num_workers = workers});
    Epoch epoch = loader.epoch(0);
    epoch.next();
    EXPECT_EQ(error_of([&] { epoch.next(); }), "place 5 is broken");
    EXPECT_EQ(loader.state().position, 8);
    EXPECT_EQ(epoch.next()->indices[0], 8);
  }
}

// ---- Parts

TEST(LoaderParts, TogetherAreTheWholeBatches) {
  constexpr int64_t kCount = 21;  // the last batch has 5 samples of 8
  for (const auto& [workers, grain] : {std::pair(0, 1), {2, 1}, {0, 2}, {0, 4}, {2, 8}})
    for (const int parts : {1, 2, 3, 4, 8}) {
      const auto loader_of = [workers = workers, grain = grain](int part, int of) {
        return DataLoader(Toy(kCount, {}), {.batch_size = 8,
                                            .shuffle = true,
                                            .num_workers = workers,
                                            .part = part,
                                            .parts = of,
                                            .part_grain = grain,
                                            .seed = 3});
      };
      DataLoader whole = loader_of(0, 1);
      Epoch all = whole.epoch(1);
      std::vector<DataLoader> loaders;
      std::vector<Epoch> epochs;
      for (int p = 0; p < parts; ++p) loaders.push_back(loader_of(p, parts));
      for (DataLoader& loader : loaders) epochs.push_back(loader.epoch(1));
      while (const auto batch = all.next()) {
        std::vector<int64_t> indices;
        std::vector<double> values;
        for (int p = 0; p < parts; ++p) {
          const auto own = epochs[static_cast<size_t>(p)].next();
          ASSERT_TRUE(own);
          if (own->size() == 0) continue;
          EXPECT_EQ((own->position - batch->position) % grain, 0);
          EXPECT_LE(own->size(), (8 / grain + parts - 1) / parts * grain);
          EXPECT_EQ(own->position, batch->position + static_cast<int64_t>(indices.size()));
          indices.insert(indices.end(), own->indices.begin(), own->indices.end());
          const auto v = own->input.to_vector<double>();
          values.insert(values.end(), v.begin(), v.end());
        }
        EXPECT_EQ(indices, batch->indices);
        EXPECT_EQ(values, batch->input.to_vector<double>());
        for (const DataLoader& loader : loaders) EXPECT_EQ(loader.state().position, whole.state().position);
      }
      for (Epoch& epoch : epochs) EXPECT_FALSE(epoch.next());
    }
}

TEST(LoaderParts, GoOnWithAnotherNumberOfParts) {
  DataLoader two(Toy(30), {.batch_size = 8, .shuffle = true, .part = 1, .parts = 2, .seed = 4});
  Epoch first = two.epoch(0);
  first.next();
  DataLoader three(Toy(30), {.batch_size = 8, .shuffle = true, .part = 2, .parts = 3, .seed = 4}),
      whole(Toy(30), {.batch_size = 8, .shuffle = true, .seed = 4});
  three.load_state(two.state());
  whole.load_state(two.state());
  const auto all = whole.epoch(0).next(), part = three.epoch(0).next();
  EXPECT_EQ(part->indices, (std::vector<int64_t>{all->indices[5], all->indices[6], all->indices[7]}));
}

TEST(LoaderParts, RefuseWhatHasNoBatchesToPart) {
  const auto refuse = [](DataLoaderOptions options) { return error_of([&] { DataLoader(Toy(8), options); }); };
  EXPECT_EQ(refuse({.part = 2, .parts = 2}), "part is 2, it must be in [0, parts = 2)");
  EXPECT_EQ(refuse({.parts = 2, .part_grain = 0}), "part_grain is 0, it must be positive");
  EXPECT_EQ(refuse({.batch_size = std::nullopt, .parts = 2}),
            "batch_size is nullopt and parts is 2: there are no batches to part");
  EXPECT_EQ(refuse({.batch_sampler = std::make_shared<BatchSampler>(SequentialSampler(8), 2, false), .parts = 2}),
            "parts is 2, but only a sampler's batches are parted");
  EXPECT_EQ(refuse({.sampler = DistributedSampler(8, {.num_replicas = 2}), .parts = 2}),
            "parts is 2, but the sampler gives each of 2 ranks a part already");
}

}  // namespace
}  // namespace ingot
