#pragma once

#include "base/array.h"

namespace ingot {

/// Calls body(position, offset) for every element in row-major order: its number and its place in elements. For
/// printing, filling and tests; kernels have their own loops.
template <class Body>
void each_element(const Array& a, const Body& body) {
  const int64_t count = a.numel();
  std::array<int64_t, kMaxRank> index{};
  int64_t offset = 0;
  for (int64_t position = 0; position < count; ++position) {
    body(position, offset);
    for (int d = a.rank - 1; d >= 0; --d) {
      offset += a.strides[d];
      if (++index[d] < a.shape[d]) break;
      offset -= a.strides[d] * a.shape[d];
      index[d] = 0;
    }
  }
}

}  // namespace ingot
