#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "ingot/random.h"

namespace ingot {

/// Philox 4x32-10 (Salmon et al. 2011): four random words from a key and a 128-bit counter (`high`, `low`).
std::array<uint32_t, 4> philox(RandomKey key, uint64_t low, uint64_t high = 0);

/// [0, 1) with 24 random bits, [0, 1) with 53 random bits.
inline float uniform_f32(uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }
inline double uniform_f64(uint32_t a, uint32_t b) {
  return static_cast<double>((static_cast<uint64_t>(a) << 32 | b) >> 11) * 0x1p-53;
}

}  // namespace ingot
