#pragma once

#include <cstdint>
#include <string_view>

namespace ingot {

/// A Philox key. Random numbers are functions of (key, counter); nothing advances a global state.
struct RandomKey {
  uint64_t value = 0;
  bool operator==(const RandomKey&) const = default;
};

/// The key for one purpose under a seed: random_key(seed, "shuffle"), random_key(seed, "init",
/// "layer1.0.conv1.weight").
RandomKey random_key(uint64_t seed, std::string_view purpose, std::string_view name = {});
/// A key derived from another: one per step, epoch or layer.
RandomKey fold_in(RandomKey key, uint64_t number);

/// Hands out keys in order: (seed, 0), (seed, 1), ... A layer built alone draws its initial values from current().
class Generator {
 public:
  explicit Generator(uint64_t seed) : seed_(seed) {}
  RandomKey next(std::string_view purpose) { return fold_in(random_key(seed_, purpose), count_++); }

  /// The innermost generator in scope on this thread; without a scope, the thread's own with seed 0.
  static Generator& current();

 private:
  uint64_t seed_;
  uint64_t count_ = 0;
};

/// Makes a generator with this seed the current one until the end of the scope.
class SeedScope {
 public:
  explicit SeedScope(uint64_t seed);
  ~SeedScope();
  SeedScope(const SeedScope&) = delete;
  SeedScope& operator=(const SeedScope&) = delete;

 private:
  Generator generator_;
  Generator* outer_;
};

}  // namespace ingot
