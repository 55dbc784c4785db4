#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "base/check.h"
#include "base/hash.h"
#include "ingot/dataset.h"
#include "ingot/sampler.h"

namespace ingot {
namespace {

uint64_t chained(uint64_t hash, uint64_t more) { return hash_bytes(&more, sizeof more, hash); }

bool alike(const SampleSpec& a, const SampleSpec& b) {
  return a.input == b.input && a.input_dtype == b.input_dtype && a.target == b.target &&
         a.target_dtype == b.target_dtype;
}

}  // namespace

Subset::Subset(DatasetHandle dataset, std::vector<int64_t> indices)
    : dataset_(std::move(dataset)), indices_(std::move(indices)) {
  for (const int64_t index : indices_)
    CHECK(index >= 0 && index < dataset_->size(), "index {} of the subset is outside the data set's [0, {})", index,
          dataset_->size());
}
int64_t Subset::base_index(int64_t index) const {
  CHECK(index >= 0 && index < size(), "index {} is outside the data set's [0, {})", index, size());
  return indices_[static_cast<size_t>(index)];
}
Sample Subset::get(int64_t index) const { return dataset_->get(base_index(index)); }
std::optional<MemoryRow> Subset::memory_row(int64_t index) const { return dataset_->memory_row(base_index(index)); }
uint64_t Subset::fingerprint() const {
  return chained(hash_bytes(indices_.data(), indices_.size() * sizeof(int64_t)), dataset_->fingerprint());
}
void Subset::get_batch(std::span<const int64_t> indices, std::span<const uint64_t> seeds, Batch& batch,
                       int64_t first) const {
  std::vector<int64_t> base(indices.size());
  std::transform(indices.begin(), indices.end(), base.begin(), [&](int64_t i) { return base_index(i); });
  dataset_->get_batch(base, seeds, batch, first);
}

ConcatDataset::ConcatDataset(std::vector<DatasetHandle> datasets) : datasets_(std::move(datasets)) {
  CHECK(!datasets_.empty(), "ConcatDataset needs at least one data set");
  int64_t end = 0;
  for (const auto& set : datasets_) ends_.push_back(end += set->size());
}
ConcatDataset::Place ConcatDataset::find(int64_t index) const {
  CHECK(index >= 0 && index < size(), "index {} is outside the data set's [0, {})", index, size());
  const auto k = static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), index) - ends_.begin());
  return {&*datasets_[k], k == 0 ? index : index - ends_[k - 1]};
}
Sample ConcatDataset::get(int64_t index) const {
  const Place place = find(index);
  return place.set->get(place.index);
}
std::optional<MemoryRow> ConcatDataset::memory_row(int64_t index) const {
  const Place place = find(index);
  return place.set->memory_row(place.index);
}
std::optional<SampleSpec> ConcatDataset::spec() const {
  const auto first = datasets_.front()->spec();
  for (const auto& set : datasets_)
    if (const auto spec = set->spec(); !first || !spec || !alike(*first, *spec)) return std::nullopt;
  return first;
}
void ConcatDataset::get_batch(std::span<const int64_t> indices, std::span<const uint64_t> seeds, Batch& batch,
                              int64_t first) const {
  for (size_t k = 0; k < indices.size(); ++k) {
    const Place place = find(indices[k]);
    place.set->get_batch({&place.index, 1}, seeds.subspan(k, 1), batch, first + static_cast<int64_t>(k));
  }
}
uint64_t ConcatDataset::fingerprint() const {
  uint64_t hash = 0;
  for (const auto& set : datasets_) hash = chained(hash, set->fingerprint());
  return hash;
}

std::vector<Subset> random_split(const DatasetHandle& dataset, const std::vector<int64_t>& lengths, uint64_t seed) {
  const int64_t n = dataset->size();
  const int64_t total = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  CHECK(total == n && std::all_of(lengths.begin(), lengths.end(), [](int64_t l) { return l >= 0; }),
        "lengths {} add up to {}, the data set has {} samples", fmt::join(lengths, ", "), total, n);
  const KeyedPermutation order(random_key(seed, "random_split"), n);
  std::vector<Subset> parts;
  int64_t place = 0;
  for (const int64_t length : lengths) {
    std::vector<int64_t> indices(static_cast<size_t>(length));
    for (int64_t& index : indices) index = order.permute(place++);
    parts.emplace_back(dataset, std::move(indices));
  }
  return parts;
}

std::vector<Subset> random_split(const DatasetHandle& dataset, const std::vector<double>& fractions, uint64_t seed) {
  const double sum = std::accumulate(fractions.begin(), fractions.end(), 0.);
  CHECK(std::abs(sum - 1) < 1e-6, "fractions {} add up to {}, 1 is expected", fmt::join(fractions, ", "), sum);
  const int64_t n = dataset->size();
  std::vector<int64_t> lengths;
  int64_t left = n;
  for (const double fraction : fractions) {
    CHECK(fraction >= 0 && fraction <= 1, "fraction {} is outside [0, 1]", fraction);
    lengths.push_back(static_cast<int64_t>(std::floor(static_cast<double>(n) * fraction)));
    left -= lengths.back();
  }
  for (size_t i = 0; left > 0; ++i, --left) ++lengths[i % lengths.size()];
  return random_split(dataset, lengths, seed);
}

}  // namespace ingot
