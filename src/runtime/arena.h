#pragma once

#include <cstdint>
#include <vector>

namespace ingot {

/// Bytes that are needed from step `first` to step `last`, both included; `offset` is where they lie in the arena.
struct Lifetime {
  int64_t bytes = 0;
  int32_t first = 0, last = 0;
  int64_t offset = 0;

  bool overlaps_in_time(const Lifetime& other) const { return first <= other.last && other.first <= last; }
  bool overlaps_in_space(const Lifetime& other) const {
    return offset < other.offset + other.bytes && other.offset < offset + bytes;
  }
};

inline constexpr int64_t kArenaAlignment = 64;

/// Gives each an offset, so that those which are needed at one time never share a byte: the largest first, each into
/// the tightest gap that holds it (Pisarchyk & Lee 2020, greedy by size). Sizes are rounded up to kArenaAlignment.
/// Returns the bytes of the arena.
int64_t place_in_arena(std::vector<Lifetime>& lifetimes);
/// Whether no two that are needed at one time share a byte: the check of the former, by brute force.
bool is_disjoint(const std::vector<Lifetime>& lifetimes);

}  // namespace ingot
