#pragma once

#include "base/array.h"

namespace ingot::kernels {

// `index` is i64, of the rank of x; no size of it exceeds x's but the one at `dim`. Its strides may be 0: rows of a
// table are an index broadcast over the columns. An index outside [0, x.shape[dim]) throws Error that names it.

/// y[.., i, ..] = x[.., index[.., i, ..], ..], i along `dim`. y has index's shape; any dtype.
void gather(const Array& x, const Array& index, int dim, const Array& y);

/// dx[.., index[.., i, ..], ..] += g[.., i, ..], in the order of i for every element of dx: the same bits always.
/// g has index's shape. f32, f64, bf16 (summed in f32), i64, i32, u8, i8.
void scatter_add(const Array& g, const Array& index, int dim, const Array& dx);

}  // namespace ingot::kernels
