#pragma once

#include <algorithm>
#include <cstdint>

#include "base/array.h"
#include "kernels/winograd_transforms.h"

/// Filters of weights, and how transformed weights lie. Internal to winograd*.cpp.
namespace ingot::kernels::winograd {

inline Filter filter_of(int m, const Array& weight) { return {m, {weight.shape[2], weight.shape[3]}}; }

/// [block][product][strip][channel][width]: a block is of a few strips, each of `width` outputs, the last filled up
/// with zeros.
struct Form {
  int64_t channels, outputs, width;
  int products;

  static constexpr int64_t kBlockStrips = 2;
  int64_t block_width() const { return kBlockStrips * width; }
  int64_t blocks() const { return (outputs + block_width() - 1) / block_width(); }
  int64_t columns(int64_t block) const { return std::min(block_width(), outputs - block * block_width()); }
  int64_t strips(int64_t block) const { return (columns(block) + width - 1) / width; }
  /// Of one product's weights in a block, in floats.
  int64_t product_size(int64_t block) const { return strips(block) * channels * width; }
  int64_t block_at(int64_t block) const { return block * kBlockStrips * products * channels * width; }
  int64_t size() const { return (outputs + width - 1) / width * products * channels * width; }
};

/// Weights [outputs, channels, KH, KW] of any strides in this form; `exact`: by the plain transform, in f64.
void transform_weights(const Filter& filter, const Array& weight, const Form& form, float* to, bool exact = false);

}  // namespace ingot::kernels::winograd
