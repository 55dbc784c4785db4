#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ingot/random.h"

namespace ingot {

/// The order in which a data set is read: a function of a key and a place in the order, without any state, so that
/// reading may start anywhere at no cost. The loader makes one key of its seed and each epoch, which is what PyTorch's
/// set_epoch is for.
class Sampler {
 public:
  virtual ~Sampler() = default;
  virtual int64_t size() const = 0;
  /// Index of the sample at place i in [0, size()). Called from several threads.
  virtual int64_t at(RandomKey key, int64_t i) const = 0;
  /// Samplers that give each of `world` ranks a part: place i of this rank is place i * world() + rank() of all.
  virtual int64_t world() const { return 1; }
  virtual int64_t rank() const { return 0; }
  /// The sampler with what the order depends on besides the key: "RandomSampler(60000, replacement=true)".
  virtual std::string str() const = 0;
};

/// Any sampler: made from one by value, or from a shared_ptr, which must not be null.
class SamplerHandle {
 public:
  template <std::derived_from<Sampler> S>
  SamplerHandle(S sampler) : sampler_(std::make_shared<const S>(std::move(sampler))) {}
  template <std::derived_from<Sampler> S>
  SamplerHandle(std::shared_ptr<S> sampler) : SamplerHandle(std::shared_ptr<const Sampler>(std::move(sampler))) {}
  SamplerHandle(std::shared_ptr<const Sampler> sampler);
  const Sampler& operator*() const { return *sampler_; }
  const Sampler* operator->() const { return sampler_.get(); }

 private:
  std::shared_ptr<const Sampler> sampler_;
};

/// A permutation of [0, n) in constant memory: permute(i) is one-to-one for i in [0, n) and costs some 30 ns. A Feistel
/// network over the smallest power of two that holds n, its round keys drawn by Philox; places outside [0, n) are
/// walked along their cycle (Black & Rogaway 2002, section 3).
class KeyedPermutation {
 public:
  KeyedPermutation(RandomKey key, int64_t n);
  int64_t permute(int64_t i) const;

 private:
  static constexpr int kRounds = 6;
  uint64_t keys_[kRounds];
  uint64_t n_, left_mask_, right_mask_;
  int right_bits_;
};

/// 0, 1, 2, ...
class SequentialSampler : public Sampler {
 public:
  explicit SequentialSampler(int64_t n);
  int64_t size() const override { return n_; }
  int64_t at(RandomKey, int64_t i) const override { return i; }
  std::string str() const override;

 private:
  int64_t n_;
};

struct RandomSamplerOptions {
  bool replacement = false;
  std::optional<int64_t> num_samples;  // none: n. More than n without replacement: one permutation after another
};
/// Uniform over [0, n).
class RandomSampler : public Sampler {
 public:
  explicit RandomSampler(int64_t n, RandomSamplerOptions options = {});
  int64_t size() const override { return size_; }
  int64_t at(RandomKey key, int64_t i) const override;
  std::string str() const override;

 private:
  int64_t n_, size_;
  bool replacement_;
};

/// The given indices in random order.
class SubsetRandomSampler : public Sampler {
 public:
  explicit SubsetRandomSampler(std::vector<int64_t> indices) : indices_(std::move(indices)) {}
  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  int64_t at(RandomKey key, int64_t i) const override;
  std::string str() const override;

 private:
  std::vector<int64_t> indices_;
};

/// Indices with probability proportional to their weights. With replacement by an alias table (Walker 1977; Vose 1991):
/// O(1) each, any number of weights. Without, index i goes before j where u_i^(1/w_i) > u_j^(1/w_j) (Efraimidis &
/// Spirakis 2006): O(n log n) at the first sample of every epoch.
class WeightedRandomSampler : public Sampler {
 public:
  WeightedRandomSampler(std::vector<double> weights, int64_t num_samples, bool replacement = true);
  int64_t size() const override { return num_samples_; }
  int64_t at(RandomKey key, int64_t i) const override;
  std::string str() const override;

 private:
  struct Order;  // of the last key, without replacement
  int64_t ordered(RandomKey key, int64_t i) const;

  std::vector<double> weights_, keep_;
  std::vector<int64_t> alias_;
  int64_t num_samples_;
  bool replacement_;
  std::shared_ptr<Order> order_;
};

struct DistributedSamplerOptions {
  int64_t num_replicas = 1;
  int64_t rank = 0;
  bool shuffle = true;
  bool drop_last = false;  // drop the tail that does not divide by num_replicas; else start again from the front
};
/// Rank r reads places r, r + num_replicas, ... of one common order, so that all ranks together read it batch by batch.
class DistributedSampler : public Sampler {
 public:
  DistributedSampler(int64_t n, DistributedSamplerOptions options);
  int64_t size() const override { return size_; }
  int64_t at(RandomKey key, int64_t i) const override;
  int64_t world() const override { return options_.num_replicas; }
  int64_t rank() const override { return options_.rank; }
  std::string str() const override;

 private:
  int64_t n_, size_;
  DistributedSamplerOptions options_;
};

/// Gives whole batches of indices; derive from it for batches that are not just consecutive samples. Made of a sampler
/// that gives each rank a part, it does too: the ranks' batches of one number are one global batch.
class BatchSampler {
 public:
  BatchSampler(SamplerHandle sampler, int64_t batch_size, bool drop_last);
  virtual ~BatchSampler() = default;
  virtual int64_t size() const;  // in batches
  virtual std::vector<int64_t> at(RandomKey key, int64_t batch) const;
  /// Sample k of this rank's batch is sample k * world() + rank() of the global one.
  virtual int64_t world() const { return sampler_->world(); }
  virtual int64_t rank() const { return sampler_->rank(); }
  virtual std::string str() const;

 private:
  SamplerHandle sampler_;
  int64_t batch_size_;
  bool drop_last_;
};

}  // namespace ingot
