#include "ingot/dataset.h"

#include <gmock/gmock.h>

#include <set>

#include "data/scratch.h"
#include "ingot/data_loader.h"

namespace ingot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TensorDataset numbers(int64_t n, double first = 0) {
  std::vector<double> values;
  for (int64_t i = 0; i < n; ++i) values.push_back(first + static_cast<double>(i));
  return {from_vector(values, {n}), arange(n)};
}

std::vector<double> inputs_of(const Dataset& set) {
  std::vector<double> out;
  for (int64_t i = 0; i < set.size(); ++i) out.push_back(set.get(i).input.item<double>());
  return out;
}

TEST(TensorDataset, SamplesAreRows) {
  const Tensor images = uniform({5, 3, 4, 6}, 0, 1, RandomKey{2});
  const TensorDataset set(images, arange(5));
  const auto all = images.to_vector<float>();
  EXPECT_EQ(set.get(2).input.to_vector<float>(), std::vector<float>(all.begin() + 2 * 72, all.begin() + 3 * 72));
  EXPECT_EQ(set.get(2).target.item<int>(), 2);
  EXPECT_THAT(error_of([&] { set.get(5); }), HasSubstr("index 5 is outside the data set's [0, 5)"));
  EXPECT_THAT(error_of([&] { set.get(-1); }), HasSubstr("index -1"));
  EXPECT_THAT(error_of([&] { TensorDataset(images, arange(4)); }), HasSubstr("5 inputs but 4 targets"));
}

TEST(Views, SubsetConcatAndTheirNesting) {
  const Subset subset(numbers(10), {7, 1, 1});
  EXPECT_THAT(inputs_of(subset), ElementsAre(7, 1, 1));
  const ConcatDataset both({numbers(2), subset, numbers(0), numbers(2, 100)});
  EXPECT_THAT(inputs_of(both), ElementsAre(0, 1, 7, 1, 1, 100, 101));
  const Subset nested(both, {6, 2});
  EXPECT_THAT(inputs_of(nested), ElementsAre(101, 7));
  DataLoader loader(nested, {.batch_size = 2});
  EXPECT_THAT(loader.epoch(0).next()->input.to_vector<double>(), ElementsAre(101, 7));
  EXPECT_THAT(error_of([] { Subset(numbers(3), {3}); }), HasSubstr("index 3 of the subset"));
  EXPECT_THAT(error_of([&] { both.get(7); }), HasSubstr("index 7 is outside"));
  EXPECT_THAT(error_of([] { ConcatDataset({}); }), HasSubstr("at least one"));
}

TEST(Views, ConcatOfUnlikeSetsHasNoSpec) {
  EXPECT_TRUE(ConcatDataset({numbers(2), numbers(3)}).spec().has_value());
  EXPECT_FALSE(ConcatDataset({numbers(2), TensorDataset(zeros({2, 2}), arange(2))}).spec().has_value());
}

TEST(RandomSplit, PartsAreDisjointAndFixedByTheSeed) {
  const auto parts = random_split(numbers(10), std::vector<int64_t>{7, 3}, 4);
  std::set<double> seen;
  for (const Subset& part : parts)
    for (const double x : inputs_of(part)) seen.insert(x);
  EXPECT_EQ(seen.size(), 10u);
  EXPECT_EQ(random_split(numbers(10), std::vector<int64_t>{7, 3}, 4)[0].indices(), parts[0].indices());
  EXPECT_NE(random_split(numbers(10), std::vector<int64_t>{7, 3}, 5)[0].indices(), parts[0].indices());
  const auto thirds = random_split(numbers(11), std::vector<double>{0.5, 0.25, 0.25});
  EXPECT_THAT((std::vector{thirds[0].size(), thirds[1].size(), thirds[2].size()}), ElementsAre(6, 3, 2));
  EXPECT_THAT(error_of([] { random_split(numbers(10), std::vector<int64_t>{7, 2}); }),
              HasSubstr("add up to 9, the data set has 10"));
  EXPECT_THAT(error_of([] { random_split(numbers(10), std::vector<double>{0.5, 0.2}); }), HasSubstr("1 is expected"));
}

TEST(Fingerprint, TellsDataSetsApart) {
  EXPECT_EQ(numbers(10).fingerprint(), numbers(10).fingerprint());
  EXPECT_NE(numbers(10).fingerprint(), numbers(11).fingerprint());
  EXPECT_NE(numbers(10).fingerprint(), numbers(10, 1).fingerprint());
  EXPECT_NE(Subset(numbers(10), {1, 2}).fingerprint(), Subset(numbers(10), {2, 1}).fingerprint());
}

Sample sample(Extra extra) { return {zeros({2}), scalar(1, DType::i64), std::move(extra)}; }

Batch collated(const std::vector<Sample>& samples) {
  std::vector<int64_t> indices;
  for (size_t i = 0; i < samples.size(); ++i) indices.push_back(static_cast<int64_t>(10 + i));
  return collate(samples, indices);
}

using Map = std::map<std::string, Extra>;
using List = std::vector<Extra>;

TEST(Collate, StacksTensorsNumbersTextsListsAndMaps) {
  const auto one = [](int64_t i) {
    return sample(Map{{"id", i},
                      {"score", 0.5 * static_cast<double>(i)},
                      {"path", "p" + std::to_string(i)},
                      {"box", List{i, full({2}, 3)}}});
  };
  const Batch batch = collated({one(1), one(2)});
  EXPECT_EQ(batch.input.shape(), Shape({2, 2}));
  EXPECT_EQ(batch.target.shape(), Shape{2});
  EXPECT_THAT(batch.indices, ElementsAre(10, 11));
  const auto& extra = std::get<Map>(batch.extra);
  EXPECT_EQ(std::get<Tensor>(extra.at("id")).dtype(), DType::i64);
  EXPECT_THAT(std::get<Tensor>(extra.at("id")).to_vector<int64_t>(), ElementsAre(1, 2));
  EXPECT_EQ(std::get<Tensor>(extra.at("score")).dtype(), DType::f64);
  EXPECT_THAT(std::get<Tensor>(extra.at("score")).to_vector<double>(), ElementsAre(0.5, 1));
  EXPECT_EQ(std::get<std::string>(std::get<List>(extra.at("path"))[1]), "p2");
  EXPECT_EQ(std::get<Tensor>(std::get<List>(extra.at("box"))[1]).shape(), Shape({2, 2}));
}

TEST(Collate, DifferencesNameTheSample) {
  const auto refusal = [](Extra a, Extra b) { return error_of([&] { collated({sample(a), sample(b)}); }); };
  EXPECT_THAT(refusal(int64_t{1}, 1.5), HasSubstr("sample 11: extra is a number, that of sample 10 is a whole number"));
  EXPECT_THAT(refusal(List{int64_t{1}}, List{}), HasSubstr("sample 11: extra has 0 elements, that of sample 10 has 1"));
  EXPECT_THAT(refusal(Map{{"a", int64_t{1}}}, Map{{"b", int64_t{1}}}), HasSubstr("sample 11: extra has no key 'a'"));
  EXPECT_THAT(refusal(Map{{"a", List{zeros({2})}}}, Map{{"a", List{zeros({3})}}}),
              HasSubstr("sample 11: extra['a'][0] is f32 [3]"));
  EXPECT_THAT(refusal(Map{{"a", Extra{}}}, Map{{"a", Extra{}}}),
              HasSubstr("sample 10: extra['a'] is nothing, which cannot be batched"));
  EXPECT_THAT(refusal(Extra{}, int64_t{1}),
              HasSubstr("sample 11: extra is a whole number, that of sample 10 is nothing"));
  EXPECT_TRUE(collated({sample({}), sample({})}).extra.empty());
  EXPECT_THAT(error_of([] { collated({sample({}), Sample{zeros({2}), {}, {}}}); }),
              HasSubstr("sample 11: the target is missing"));
  EXPECT_THAT(error_of([] { collated({sample({}), Sample{zeros({2}, DType::f64), scalar(1, DType::i64), {}}}); }),
              HasSubstr("the input is f64 [2], that of sample 10 is f32 [2]"));
}

}  // namespace
}  // namespace ingot
