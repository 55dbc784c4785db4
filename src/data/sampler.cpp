#include "ingot/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <mutex>
#include <numeric>

#include "base/check.h"
#include "base/hash.h"
#include "base/philox.h"

namespace ingot {
namespace {

/// Uniform in [0, n) from 64 random bits (Lemire 2019, without the rejection: the bias is below n / 2^64).
int64_t below(uint64_t bits, int64_t n) {
  return static_cast<int64_t>(static_cast<unsigned __int128>(bits) * static_cast<uint64_t>(n) >> 64);
}

uint64_t bits_at(RandomKey key, int64_t i) {
  const auto words = philox(key, static_cast<uint64_t>(i));
  return uint64_t{words[0]} << 32 | words[1];
}

std::string_view true_or_false(bool value) { return value ? "true" : "false"; }

/// The permutation of the last key, so that its round keys are drawn once an epoch.
const KeyedPermutation& permutation_for(RandomKey key, int64_t n) {
  struct Last {
    RandomKey key;
    int64_t n = -1;
    KeyedPermutation permutation{RandomKey{}, 1};
  };
  thread_local Last last;
  if (last.n != n || !(last.key == key)) last = {key, n, KeyedPermutation(key, n)};
  return last.permutation;
}

}  // namespace

KeyedPermutation::KeyedPermutation(RandomKey key, int64_t n) : n_(static_cast<uint64_t>(n)) {
  // At least 2^10 places: in smaller ones a Feistel network reaches only some of the permutations.
  const int bits = std::max(10, static_cast<int>(std::bit_width(n_ > 0 ? n_ - 1 : 0)));
  right_bits_ = bits / 2;
  right_mask_ = (uint64_t{1} << right_bits_) - 1;
  left_mask_ = (uint64_t{1} << (bits - right_bits_)) - 1;
  for (int round = 0; round < kRounds; ++round) keys_[round] = bits_at(key, round);
}

int64_t KeyedPermutation::permute(int64_t i) const {
  // Two multiplications by odd constants (those of SplitMix64, Steele et al. 2014) make each round's function.
  const auto mix = [](uint64_t x, uint64_t key) {
    x = (x ^ key) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 32) * 0x94d049bb133111ebu;
    return x ^ x >> 29;
  };
  auto at = static_cast<uint64_t>(i);
  do {
    uint64_t left = at >> right_bits_, right = at & right_mask_;
    for (int round = 0; round < kRounds; round += 2) {
      left ^= mix(right, keys_[round]) & left_mask_;
      right ^= mix(left, keys_[round + 1]) & right_mask_;
    }
    at = left << right_bits_ | right;
  } while (at >= n_);
  return static_cast<int64_t>(at);
}

SamplerHandle::SamplerHandle(std::shared_ptr<const Sampler> sampler) : sampler_(std::move(sampler)) {
  CHECK(sampler_ != nullptr, "the sampler is null");
}

SequentialSampler::SequentialSampler(int64_t n) : n_(n) {
  CHECK(n >= 0, "SequentialSampler: {} samples, their number must not be negative", n);
}
std::string SequentialSampler::str() const { return fmt::format("SequentialSampler({})", n_); }

RandomSampler::RandomSampler(int64_t n, RandomSamplerOptions options)
    : n_(n), size_(options.num_samples.value_or(n)), replacement_(options.replacement) {
  CHECK(size_ >= 0 && (n > 0 || size_ == 0), "num_samples is {} for {} samples", size_, n);
}
int64_t RandomSampler::at(RandomKey key, int64_t i) const {
  if (replacement_) return below(bits_at(key, i), n_);
  if (size_ <= n_) return permutation_for(key, n_).permute(i);
  return permutation_for(fold_in(key, static_cast<uint64_t>(i / n_)), n_).permute(i % n_);
}
std::string RandomSampler::str() const {
  return fmt::format("RandomSampler({}, replacement={}, num_samples={})", n_, true_or_false(replacement_), size_);
}

int64_t SubsetRandomSampler::at(RandomKey key, int64_t i) const {
  return indices_[static_cast<size_t>(permutation_for(key, size()).permute(i))];
}
std::string SubsetRandomSampler::str() const {
  return fmt::format("SubsetRandomSampler({}, {:#x})", size(),
                     hash_bytes(indices_.data(), indices_.size() * sizeof(int64_t)));
}

struct WeightedRandomSampler::Order {
  std::mutex mutex;  // copies of a sampler share it
  RandomKey key;
  std::vector<int64_t> indices;
};

WeightedRandomSampler::WeightedRandomSampler(std::vector<double> weights, int64_t num_samples, bool replacement)
    : weights_(std::move(weights)),
      num_samples_(num_samples),
      replacement_(replacement),
      order_(std::make_shared<Order>()) {
  double total = 0;
  int64_t positive = 0;
  for (size_t i = 0; i < weights_.size(); ++i) {
    CHECK(weights_[i] >= 0 && std::isfinite(weights_[i]), "weight {} is {}, it must be finite and not negative", i,
          weights_[i]);
    total += weights_[i];
    positive += weights_[i] > 0;
  }
  CHECK(num_samples > 0, "num_samples is {}, it must be positive", num_samples);
  CHECK(total > 0 && std::isfinite(total), "the weights add up to {}, a positive number is expected", total);
  CHECK(replacement || num_samples <= positive, "num_samples is {} without replacement, only {} weights are positive",
        num_samples, positive);
  if (!replacement) return;

  // Vose's table: column i keeps its own index below keep_[i], else gives alias_[i].
  const size_t n = weights_.size();
  keep_.resize(n);
  alias_.resize(n);
  std::vector<size_t> small, large;
  for (size_t i = 0; i < n; ++i) {
    keep_[i] = weights_[i] / total * static_cast<double>(n);
    (keep_[i] < 1 ? small : large).push_back(i);
  }
  while (!small.empty() && !large.empty()) {
    const size_t less = small.back(), more = large.back();
    small.pop_back();
    alias_[less] = static_cast<int64_t>(more);
    keep_[more] -= 1 - keep_[less];
    if (keep_[more] < 1) large.pop_back(), small.push_back(more);
  }
  // Left over by rounding: full columns, but for weights of zero, which must never come up.
  const auto heaviest = std::max_element(weights_.begin(), weights_.end()) - weights_.begin();
  for (const auto& rest : {small, large})
    for (const size_t i : rest) {
      keep_[i] = weights_[i] > 0 ? 1 : 0;
      alias_[i] = heaviest;
    }
}

int64_t WeightedRandomSampler::ordered(RandomKey key, int64_t i) const {
  Order& order = *order_;
  const std::scoped_lock lock(order.mutex);
  if (order.key == key && !order.indices.empty()) return order.indices[static_cast<size_t>(i)];
  // log(u^(1/w)) = log(u) / w; weights of zero come last.
  std::vector<double> ranks(weights_.size());
  for (size_t i = 0; i < ranks.size(); ++i) {
    const auto words = philox(key, i);
    ranks[i] = weights_[i] > 0 ? std::log(1 - uniform_f64(words[0], words[1])) / weights_[i] : -INFINITY;
  }
  order.key = key;
  order.indices.resize(weights_.size());
  std::iota(order.indices.begin(), order.indices.end(), int64_t{0});
  std::stable_sort(order.indices.begin(), order.indices.end(),
                   [&](int64_t a, int64_t b) { return ranks[static_cast<size_t>(a)] > ranks[static_cast<size_t>(b)]; });
  return order.indices[static_cast<size_t>(i)];
}

int64_t WeightedRandomSampler::at(RandomKey key, int64_t i) const {
  if (!replacement_) return ordered(key, i);
  const auto words = philox(key, static_cast<uint64_t>(i));
  const auto column =
      static_cast<size_t>(below(uint64_t{words[0]} << 32 | words[1], static_cast<int64_t>(keep_.size())));
  return uniform_f64(words[2], words[3]) < keep_[column] ? static_cast<int64_t>(column) : alias_[column];
}
std::string WeightedRandomSampler::str() const {
  return fmt::format("WeightedRandomSampler({}, {:#x}, num_samples={}, replacement={})", weights_.size(),
                     hash_bytes(weights_.data(), weights_.size() * sizeof(double)), num_samples_,
                     true_or_false(replacement_));
}

DistributedSampler::DistributedSampler(int64_t n, DistributedSamplerOptions options) : n_(n), options_(options) {
  CHECK(n >= 0, "DistributedSampler: {} samples, their number must not be negative", n);
  CHECK(options.num_replicas >= 1, "num_replicas is {}, it must be positive", options.num_replicas);
  CHECK(options.rank >= 0 && options.rank < options.num_replicas, "rank is {}, it must be in [0, num_replicas = {})",
        options.rank, options.num_replicas);
  size_ = options.drop_last ? n / options.num_replicas : (n + options.num_replicas - 1) / options.num_replicas;
}
int64_t DistributedSampler::at(RandomKey key, int64_t i) const {
  const int64_t place = (i * options_.num_replicas + options_.rank) % n_;
  return options_.shuffle ? permutation_for(key, n_).permute(place) : place;
}
// Without the rank and the number of ranks: the common order does not depend on them.
std::string DistributedSampler::str() const {
  return fmt::format("DistributedSampler({}, shuffle={}, drop_last={})", n_, true_or_false(options_.shuffle),
                     true_or_false(options_.drop_last));
}

BatchSampler::BatchSampler(SamplerHandle sampler, int64_t batch_size, bool drop_last)
    : sampler_(std::move(sampler)), batch_size_(batch_size), drop_last_(drop_last) {
  CHECK(batch_size >= 1, "batch_size is {}, it must be positive", batch_size);
}
int64_t BatchSampler::size() const {
  return drop_last_ ? sampler_->size() / batch_size_ : (sampler_->size() + batch_size_ - 1) / batch_size_;
}
std::vector<int64_t> BatchSampler::at(RandomKey key, int64_t batch) const {
  std::vector<int64_t> out;
  for (int64_t i = batch * batch_size_, end = std::min(i + batch_size_, sampler_->size()); i < end; ++i)
    out.push_back(sampler_->at(key, i));
  return out;
}
// With the global batch size: a state may go on with another number of ranks.
std::string BatchSampler::str() const {
  return fmt::format("BatchSampler({}, batch_size={}, drop_last={})", sampler_->str(), batch_size_ * world(),
                     true_or_false(drop_last_));
}

}  // namespace ingot
