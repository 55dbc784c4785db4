#pragma once

#include <cstddef>
#include <cstdint>

namespace ingot::kernels {

/// Hands out 64-byte aligned pieces of scratch memory; over a null base it only counts.
class Scratch {
 public:
  explicit Scratch(void* base) : base_(static_cast<std::byte*>(base)) {}
  void* take(size_t bytes) {
    constexpr size_t kLine = 64;
    const size_t at = used_;
    used_ += (bytes + kLine - 1) / kLine * kLine;
    return base_ == nullptr ? nullptr : base_ + at;
  }
  template <class T>
  T* array(int64_t count) {
    return static_cast<T*>(take(static_cast<size_t>(count) * sizeof(T)));
  }
  size_t used() const { return used_; }

 private:
  std::byte* base_;
  size_t used_ = 0;
};

/// A room for each thread behind what all of them share. Room(plan, Scratch&) takes what one thread needs.
template <class Plan, class Room>
class Rooms {
 public:
  Rooms(const Plan& plan, int threads, Scratch& scratch) : plan_(plan) {
    Scratch one(nullptr);
    Room(plan, one);
    step_ = one.used();
    first_ = static_cast<std::byte*>(scratch.take(step_ * static_cast<size_t>(threads)));
  }
  Room of(int thread) const {
    Scratch scratch(first_ + step_ * static_cast<size_t>(thread));
    return Room(plan_, scratch);
  }

 private:
  const Plan& plan_;
  size_t step_;
  std::byte* first_;
};

}  // namespace ingot::kernels
