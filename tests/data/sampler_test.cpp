#include "ingot/sampler.h"

#include <gmock/gmock.h>

#include <cmath>
#include <map>
#include <set>

#include "data/scratch.h"

namespace ingot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<int64_t> all_of(const Sampler& sampler, RandomKey key = {1}) {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < sampler.size(); ++i) out.push_back(sampler.at(key, i));
  return out;
}

bool is_permutation_of(std::vector<int64_t> values, int64_t n) {
  std::sort(values.begin(), values.end());
  for (int64_t i = 0; i < n; ++i)
    if (values[static_cast<size_t>(i)] != i) return false;
  return static_cast<int64_t>(values.size()) == n;
}

/// Chi-squared of counts against equal expectations, as a number of standard deviations from its mean.
double excess(const std::vector<double>& counts) {
  double total = 0, chi2 = 0;
  for (const double c : counts) total += c;
  const double expected = total / static_cast<double>(counts.size());
  for (const double c : counts) chi2 += (c - expected) * (c - expected) / expected;
  const auto freedom = static_cast<double>(counts.size() - 1);
  return (chi2 - freedom) / std::sqrt(2 * freedom);
}

TEST(KeyedPermutation, IsOneToOneForEverySize) {
  for (const int64_t n : {1, 2, 3, 5, 64, 511, 512, 513, 1000, 1024, 1025, 60000, 65536, 65537})
    EXPECT_TRUE(is_permutation_of(all_of(RandomSampler(n)), n)) << n;
  const KeyedPermutation huge({1}, int64_t{1} << 62);
  std::set<int64_t> seen;
  for (int64_t i = 0; i < 1000; ++i) seen.insert(huge.permute(i));
  EXPECT_EQ(seen.size(), 1000u);
  EXPECT_LT(*seen.rbegin(), int64_t{1} << 62);
}

TEST(KeyedPermutation, AllOrdersOfFewAreEquallyLikely) {
  constexpr int64_t kKeys = 24000;
  std::map<std::vector<int64_t>, double> counts;
  for (uint64_t key = 0; key < kKeys; ++key) ++counts[all_of(RandomSampler(5), fold_in({7}, key))];
  ASSERT_EQ(counts.size(), 120u);
  std::vector<double> list;
  for (const auto& [order, count] : counts) list.push_back(count);
  EXPECT_LT(std::abs(excess(list)), 4);
}

TEST(KeyedPermutation, PlacesAndNeighboursAreUniform) {
  constexpr int64_t kSize = 1024, kKeys = 3000;
  std::vector<double> first(kSize), difference(kSize), halves(4);
  for (uint64_t k = 0; k < kKeys; ++k) {
    const KeyedPermutation p(fold_in({11}, k), kSize);
    ++first[static_cast<size_t>(p.permute(0))];
    for (int64_t i = 0; i < 8; ++i) {
      const int64_t a = p.permute(i), b = p.permute(i + 1);
      ++difference[static_cast<size_t>((b - a + kSize) % kSize)];
      ++halves[static_cast<size_t>((a % 2) * 2 + b % 2)];
    }
  }
  EXPECT_LT(std::abs(excess(first)), 4);
  difference.erase(difference.begin());  // never 0
  EXPECT_LT(std::abs(excess(difference)), 4);
  EXPECT_LT(excess(halves), 6);
}

TEST(RandomSampler, ReplacementNumSamplesAndKeys) {
  const RandomSampler replaced(10, {.replacement = true, .num_samples = 50000});
  std::vector<double> counts(10);
  for (const int64_t i : all_of(replaced)) ++counts[static_cast<size_t>(i)];
  EXPECT_LT(std::abs(excess(counts)), 4);
  const auto longer = all_of(RandomSampler(10, {.num_samples = 25}));
  EXPECT_TRUE(is_permutation_of({longer.begin(), longer.begin() + 10}, 10));
  EXPECT_TRUE(is_permutation_of({longer.begin() + 10, longer.begin() + 20}, 10));
  EXPECT_NE(std::vector(longer.begin(), longer.begin() + 10), std::vector(longer.begin() + 10, longer.begin() + 20));
  EXPECT_EQ(std::set(longer.begin() + 20, longer.end()).size(), 5u);
  EXPECT_EQ(all_of(RandomSampler(10, {.num_samples = 4})).size(), 4u);
  EXPECT_NE(all_of(RandomSampler(100), {1}), all_of(RandomSampler(100), {2}));
  EXPECT_THAT(error_of([] { RandomSampler(0, {.num_samples = 3}); }), HasSubstr("num_samples is 3 for 0 samples"));
}

TEST(SubsetRandomSampler, GivesItsIndices) {
  auto given = all_of(SubsetRandomSampler({3, 14, 15, 92, 65}));
  std::sort(given.begin(), given.end());
  EXPECT_THAT(given, ElementsAre(3, 14, 15, 65, 92));
}

TEST(WeightedRandomSampler, FollowsItsWeights) {
  const std::vector<double> weights{0, 1, 2, 3, 0, 0.5};
  constexpr int64_t kDraws = 130000;
  std::vector<double> counts(weights.size());
  for (const int64_t i : all_of(WeightedRandomSampler(weights, kDraws))) ++counts[static_cast<size_t>(i)];
  for (size_t i = 0; i < weights.size(); ++i) {
    const double p = weights[i] / 6.5, sigma = std::sqrt(kDraws * p * (1 - p));
    EXPECT_NEAR(counts[i], kDraws * p, 4 * sigma) << i;
  }
}

TEST(WeightedRandomSampler, WithoutReplacementFirstPlacesFollowTheWeights) {
  const std::vector<double> weights{0, 1, 2, 5};
  constexpr int64_t kKeys = 20000;
  std::vector<double> counts(weights.size());
  const WeightedRandomSampler sampler(weights, 3, false);
  for (uint64_t key = 0; key < kKeys; ++key) {
    const auto order = all_of(sampler, fold_in({3}, key));
    ++counts[static_cast<size_t>(order[0])];
    EXPECT_EQ(std::set(order.begin(), order.end()).size(), 3u);
    EXPECT_EQ(std::count(order.begin(), order.end(), 0), 0);
  }
  for (size_t i = 0; i < weights.size(); ++i) {
    const double p = weights[i] / 8, sigma = std::sqrt(kKeys * p * (1 - p));
    EXPECT_NEAR(counts[i], kKeys * p, 4 * sigma) << i;
  }
}

TEST(WeightedRandomSampler, HasNoLimitOfCategories) {
  constexpr size_t kMany = (size_t{1} << 24) + 2;  // PyTorch's multinomial ends at 2^24
  std::vector<double> weights(kMany);
  weights[5] = weights.back() = 1;
  const WeightedRandomSampler sampler(std::move(weights), 100);
  int64_t last = 0;
  for (const int64_t i : all_of(sampler)) {
    EXPECT_TRUE(i == 5 || i == static_cast<int64_t>(kMany) - 1) << i;
    last += i > 5;
  }
  EXPECT_GT(last, 20);
  EXPECT_LT(last, 80);
}

TEST(WeightedRandomSampler, RefusesWhatIsNoDistribution) {
  EXPECT_THAT(error_of([] { WeightedRandomSampler({1, -1}, 1); }), HasSubstr("weight 1 is -1"));
  EXPECT_THAT(error_of([] { WeightedRandomSampler({1, NAN}, 1); }), HasSubstr("weight 1 is nan"));
  EXPECT_THAT(error_of([] { WeightedRandomSampler({0, 0}, 1); }), HasSubstr("add up to 0"));
  EXPECT_THAT(error_of([] { WeightedRandomSampler({1, 0}, 2, false); }), HasSubstr("only 1 weights are positive"));
  EXPECT_THAT(error_of([] { WeightedRandomSampler({1}, 0); }), HasSubstr("num_samples is 0"));
}

TEST(DistributedSampler, RanksShareOneOrder) {
  for (const bool drop : {false, true})
    for (const bool shuffle : {false, true}) {
      std::vector<int64_t> joined(drop ? 9 : 12);
      for (int64_t rank = 0; rank < 3; ++rank) {
        const auto own =
            all_of(DistributedSampler(10, {.num_replicas = 3, .rank = rank, .shuffle = shuffle, .drop_last = drop}));
        ASSERT_EQ(own.size(), joined.size() / 3);
        for (size_t i = 0; i < own.size(); ++i) joined[3 * i + static_cast<size_t>(rank)] = own[i];
      }
      const auto whole = all_of(DistributedSampler(10, {.shuffle = shuffle}));
      for (size_t i = 0; i < joined.size(); ++i) EXPECT_EQ(joined[i], whole[i % 10]);  // padded from the front
      EXPECT_TRUE(shuffle || joined[4] == 4);
    }
  EXPECT_EQ(all_of(DistributedSampler(2, {.num_replicas = 5, .rank = 4})).size(), 1u);
  EXPECT_THAT(error_of([] { DistributedSampler(4, {.num_replicas = 2, .rank = 2}); }),
              HasSubstr("rank is 2, it must be in [0, num_replicas = 2)"));
  EXPECT_THAT(error_of([] { DistributedSampler(4, {.num_replicas = 0}); }), HasSubstr("num_replicas is 0"));
  EXPECT_THAT(error_of([] { DistributedSampler(-4, {}); }), HasSubstr("-4 samples"));
  EXPECT_THAT(error_of([] { SequentialSampler(-1); }), HasSubstr("-1 samples"));
}

TEST(BatchSampler, CutsTheOrderIntoBatches) {
  const BatchSampler keeping(SequentialSampler(5), 2, false), dropping(SequentialSampler(5), 2, true);
  EXPECT_EQ(keeping.size(), 3);
  EXPECT_EQ(dropping.size(), 2);
  EXPECT_THAT(keeping.at({}, 1), ElementsAre(2, 3));
  EXPECT_THAT(keeping.at({}, 2), ElementsAre(4));
  EXPECT_THAT(error_of([] { BatchSampler(SequentialSampler(5), 0, false); }), HasSubstr("batch_size is 0"));
}

}  // namespace
}  // namespace ingot
