#pragma once

#include "kernels/matmul_shape.h"

namespace ingot::kernels {

/// y = a b + bias in own loops, any strides and dtypes; sums in f64.
void matmul_plain(const Product& product, const Array& bias);

/// The same for f64, in tiles. Each element is summed in the order of k: the same bits for any thread count and batch.
void matmul_tiled(const Product& product, const Array& bias);

}  // namespace ingot::kernels
