#pragma once

#include <cstdint>

#include "base/array.h"
#include "ingot/random.h"

namespace ingot::kernels {

/// y = x / (1 - p) where kept, else 0; each element is kept with probability 1 - p. f32, f64, bf16, any strides.
///
/// Element i (row-major in its sample) of sample n (along dimension 0) is kept iff
///   uniform_f32(philox(key, i / 4, counter + n)[i % 4]) >= p,
/// so neither layout, threads nor the split of a batch changes it: a batch that starts at global sample s takes
/// counter s. The gradient is dropout of the gradient with the same key and counter.
void dropout(const Array& x, double p, RandomKey key, uint64_t counter, const Array& y);

}  // namespace ingot::kernels
