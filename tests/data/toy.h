#pragma once

#include <atomic>
#include <chrono>
#include <thread>

#include "base/check.h"
#include "base/philox.h"
#include "ingot/data.h"

namespace ingot {

/// Sample i is (i, a random number); it can be slow or fail at chosen indices.
class Toy : public Dataset {
 public:
  explicit Toy(int64_t n, std::vector<int64_t> failing = {}) : n_(n), failing_(std::move(failing)) {}
  int64_t size() const override { return n_; }
  Sample get(int64_t index) const override {
    for (const int64_t bad : failing_) CHECK(index != bad, "it is broken");
    if (index == slow) std::this_thread::sleep_for(std::chrono::milliseconds(slow_ms));
    const auto words = philox(Generator::current().next("toy"), 0);
    return {from_vector<double>({static_cast<double>(index), uniform_f64(words[0], words[1])}, {2}),
            scalar(static_cast<double>(index), DType::i64),
            {}};
  }
  int64_t slow = -1;
  int slow_ms = 0;

 private:
  int64_t n_;
  std::vector<int64_t> failing_;
};

/// 0, 1, ..., n - 1.
class ToyStream : public IterableDataset {
 public:
  explicit ToyStream(int64_t n, int64_t failing = -1) : n_(n), failing_(failing) {}
  void start(uint64_t) override { next_ = 0; }
  std::optional<Sample> next() override {
    if (next_ == n_) return std::nullopt;
    const int64_t i = next_++;
    CHECK(i != failing_, "it is broken");
    return Sample{full({1}, static_cast<double>(i)), scalar(static_cast<double>(i), DType::i64), {}};
  }

 private:
  int64_t n_, failing_, next_ = 0;
};

using Seen = std::vector<std::vector<double>>;

/// The inputs of all batches that follow.
inline Seen drain(Epoch& epoch) {
  Seen seen;
  while (auto batch = epoch.next()) seen.push_back(batch->input.to_vector<double>());
  return seen;
}
inline Seen drain(Epoch&& epoch) { return drain(epoch); }

inline std::vector<int64_t> indices_of(Epoch&& epoch) {
  std::vector<int64_t> out;
  for (const Batch& batch : epoch) out.insert(out.end(), batch.indices.begin(), batch.indices.end());
  return out;
}

}  // namespace ingot
