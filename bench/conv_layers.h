#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/array.h"
#include "ingot/geometry.h"

/// A convolution of the net, as often as it has one of these sizes.
struct Layer {
  std::vector<int64_t> x, weight, y;
  ingot::ConvGeometry geometry;
  int count = 1;
};

/// Those that a forward pass of 224x224 images meets, in its order.
std::vector<Layer> layers_of(const std::string& net, int64_t batch);

/// Normal, of this standard deviation.
std::vector<float> random_values(const std::vector<int64_t>& sizes, float scale);

/// [N,C,H,W] in channels-last order.
ingot::Array channels_last(std::vector<float>& values, const std::vector<int64_t>& sizes);

/// A kernel's packed weights and scratch.
struct Memory {
  std::vector<std::byte> packed, scratch;
  std::byte* weights = nullptr;
  std::byte* work = nullptr;
  Memory(size_t packed_bytes, size_t scratch_bytes);
};
