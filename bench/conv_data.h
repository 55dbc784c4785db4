#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <vector>

#include "base/array.h"

// What benchmarks of convolutions compute on.

/// Memory that begins with a cache line, as a tensor's does.
template <class T>
struct LineAllocator {
  using value_type = T;
  T* allocate(size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), kLine)); }
  void deallocate(T* memory, size_t) { ::operator delete(memory, kLine); }
  bool operator==(const LineAllocator&) const = default;
  static constexpr std::align_val_t kLine{64};
};
template <class T>
using Values = std::vector<T, LineAllocator<T>>;

/// The same numbers in every run, normal, of this standard deviation.
Values<float> random_values(const std::vector<int64_t>& sizes, float scale);

/// [N,C,H,W] in channels-last order.
template <class T>
ingot::Array channels_last(Values<T>& values, const std::vector<int64_t>& s) {
  ingot::Array a{.data = values.data(), .rank = 4};
  if constexpr (std::is_same_v<T, double>) a.dtype = ingot::DType::f64;
  std::copy(s.begin(), s.end(), a.shape.begin());
  a.strides = {s[1] * s[2] * s[3], 1, s[3] * s[1], s[1]};
  return a;
}

/// A kernel's packed weights and scratch.
struct Memory {
  Values<std::byte> packed, scratch;
  std::byte *weights, *work;
  Memory(size_t packed_bytes, size_t scratch_bytes)
      : packed(packed_bytes), scratch(scratch_bytes), weights(packed.data()), work(scratch.data()) {}
};
