#pragma once

#include <cstdint>

#include "ingot/random.h"

namespace ingot::kernels {

/// words[4 j .. 4 j + 3] = philox(key, low + j, high) for j < n.
void philox_words(RandomKey key, uint64_t low, uint64_t high, int64_t n, uint32_t* words);

/// y[i] = words[i] >> 8 >= threshold ? x[i] / keep : 0
void drop_f32(const float* x, const uint32_t* words, uint32_t threshold, float keep, float* y, int64_t n);

}  // namespace ingot::kernels
