#pragma once

#include <cstdint>

namespace ingot::kernels {

/// y[r, i] = x[i, r] for r < rows and i < count, of 32-bit elements, x contiguous in r and y in i.
void transpose_32(const void* x, int64_t x_stride, void* y, int64_t y_stride, int64_t rows, int64_t count);

}  // namespace ingot::kernels
