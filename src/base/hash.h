#pragma once

#include <cstddef>
#include <cstdint>

namespace ingot {

/// XXH3, 64 bits.
uint64_t hash_bytes(const void* data, size_t bytes, uint64_t seed = 0);

}  // namespace ingot
