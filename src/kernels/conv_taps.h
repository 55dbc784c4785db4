#pragma once

#include <algorithm>
#include <cstdint>

namespace ingot::kernels {

/// The taps u of a kernel axis whose place `start + u * dilation` lies in [0, size).
struct Taps {
  int64_t begin, end;
  Taps(int64_t start, int64_t dilation, int64_t taps, int64_t size)
      : begin(start >= 0 ? 0 : (-start + dilation - 1) / dilation),
        end(start >= size ? 0 : std::min(taps, (size - start + dilation - 1) / dilation)) {}
  bool is_empty() const { return begin >= end; }
  bool operator==(const Taps&) const = default;
};

}  // namespace ingot::kernels
