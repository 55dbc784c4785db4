#pragma once

#include "ingot/runtime.h"
#include "runtime/binding.h"

namespace ingot {

/// Hands copies of the tensors that RunOptions::observe names to RunOptions::seen.
class Observer {
 public:
  Observer(const Plan& plan, const Binding& binding, const RunOptions& options);
  void before_run() const;  // inputs and weights
  void after_step(size_t step) const;

 private:
  void hand_over(TensorId id) const;

  const Plan& plan_;
  const Binding& binding_;
  const RunOptions& options_;
  std::vector<TensorId> wanted_;
};

/// For tests: fills what nobody needs with NaN, and checks the bytes behind each piece of the arena.
class Guard {
 public:
  static constexpr int64_t kBytes = 64;
  Guard(const Binding& binding, std::byte* arena) : binding_(binding), arena_(arena) {}
  void before_run() const;
  void before_step(size_t step) const;  // pieces that begin here get their guard bytes
  void after_step(size_t step) const;   // throws Error where guard bytes changed; poisons pieces that end here

 private:
  const Binding& binding_;
  std::byte* arena_;
};

}  // namespace ingot
