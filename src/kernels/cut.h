#pragma once

#include <cstdint>

namespace ingot::kernels {

/// Parts of at most so many.
constexpr int64_t parts_of(int64_t count, int64_t most) { return (count + most - 1) / most; }

/// The size of about equal parts of at most so many, in whole steps where there are several.
constexpr int64_t even_part(int64_t count, int64_t most, int64_t step) {
  const int64_t parts = parts_of(count, most);
  return parts <= 1 ? count : parts_of(parts_of(count, parts), step) * step;
}

/// A size of planes of so many floats that are walked through side by side: an odd number of cache lines, so that equal
/// places in them fall in different sets of a cache.
constexpr int64_t spread(int64_t floats) {
  constexpr int64_t kLine = 16;
  return (parts_of(floats, kLine) | 1) * kLine;
}

/// A range that is cut into parts which differ by one at most.
struct Cut {
  int64_t count = 0, parts = 1;
  int64_t begin(int64_t part) const { return count * part / parts; }
  int64_t size(int64_t part) const { return begin(part + 1) - begin(part); }
  int64_t most() const { return parts_of(count, parts); }
};

}  // namespace ingot::kernels
