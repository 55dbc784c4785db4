#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <vector>

#include "base/array.h"
#include "ingot/geometry.h"

/// A convolution of the net, as often as it has one of these sizes.
struct Layer {
  std::vector<int64_t> x, weight, y;
  ingot::ConvGeometry geometry;
  int count = 1;
  int64_t next = 0;  // outputs of the 1x1 convolution that reads y (of the first such layer), if one does
};

/// Those that a forward pass of 224x224 images meets, in its order.
std::vector<Layer> layers_of(const std::string& net, int64_t batch);

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

/// Normal, of this standard deviation.
Values<float> random_values(const std::vector<int64_t>& sizes, float scale);

/// [N,C,H,W] in channels-last order.
ingot::Array channels_last(Values<float>& values, const std::vector<int64_t>& sizes);

/// A kernel's packed weights and scratch.
struct Memory {
  Values<std::byte> packed, scratch;
  std::byte *weights, *work;
  Memory(size_t packed_bytes, size_t scratch_bytes)
      : packed(packed_bytes), scratch(scratch_bytes), weights(packed.data()), work(scratch.data()) {}
};
