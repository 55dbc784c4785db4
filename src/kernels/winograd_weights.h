#pragma once

#include <algorithm>
#include <cstdint>

#include "base/array.h"
#include "kernels/winograd_transforms.h"

/// Filters of weights, and how transformed weights lie. Internal to winograd*.cpp.
namespace ingot::kernels::winograd {

inline Filter filter_of(int m, const Array& weight, int64_t stride) {
  return {m, {weight.shape[2], weight.shape[3]}, static_cast<int>(stride)};
}

/// [block][plane][strip][channel][width], a plane for each transformed weight: a block is of a few strips, each of
/// `width` outputs, the last filled up with zeros.
struct Form {
  int64_t channels, outputs, width;
  int planes;

  static constexpr int64_t kBlockStrips = 2;
  int64_t block_width() const { return kBlockStrips * width; }
  int64_t blocks() const { return (outputs + block_width() - 1) / block_width(); }
  int64_t columns(int64_t block) const { return std::min(block_width(), outputs - block * block_width()); }
  int64_t strips(int64_t block) const { return (columns(block) + width - 1) / width; }
  /// Of one plane in a block, in floats.
  int64_t plane_size(int64_t block) const { return strips(block) * channels * width; }
  int64_t block_at(int64_t block) const { return block * kBlockStrips * planes * channels * width; }
  int64_t size() const { return (outputs + width - 1) / width * planes * channels * width; }
};

inline Form form_of(const Filter& filter, const Array& weight, int64_t width) {
  return {.channels = weight.shape[1], .outputs = weight.shape[0], .width = width, .planes = filter.weights()};
}

/// What stands behind the header of packed weights. Throws Error unless they are of this filter and CPU tier.
const float* packed_here(const void* packed, const Filter& filter);

/// Weights [outputs, channels, KH, KW] of any strides in this form; `exact`: by the plain transform, in f64.
void transform_weights(const Filter& filter, const Array& weight, const Form& form, float* to, bool exact = false);

}  // namespace ingot::kernels::winograd
