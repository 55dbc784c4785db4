#pragma once

#include "base/array.h"
#include "ingot/tensor.h"

namespace ingot {

/// Row `row` of a tensor [N, ...]: a view without the first dimension.
Tensor row_of(const Tensor& x, int64_t row);
Array row_array(const Tensor& x, int64_t row);

/// Copies between arrays of one shape and dtype, any strides.
void copy_elements(const Array& from, const Array& to);

}  // namespace ingot
