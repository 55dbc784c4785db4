#pragma once

#include "ingot/tensor.h"

namespace ingot {

/// Row `row` of a tensor [N, ...]: a view without the first dimension.
Tensor row_of(const Tensor& x, int64_t row);

/// Copies `from` over row `row` of `to`, which has the same dtype and shape [N, from's shape]; any strides.
void copy_to_row(const Tensor& from, const Tensor& to, int64_t row);

}  // namespace ingot
