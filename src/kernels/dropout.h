#pragma once

#include "base/array.h"
#include "ingot/random.h"

namespace ingot::kernels {

void dropout(const Array& x, float p, RandomKey key, uint64_t counter, const Array& y);

}  // namespace ingot::kernels
