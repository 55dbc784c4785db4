#pragma once

#include <cstdint>

#include "base/array.h"

namespace ingot::kernels {

/// y = the reduction of x over every dimension where y has size 1 (and x has not); ranks are equal, strides are free.
///
/// f32, f64, bf16: accumulated in f64, rounded once to y's dtype, NaN propagates.
/// i64, i32, u8, i8, bool: sum, max, min, prod, accumulated in i64 (wrapping), y of x's dtype or a wider integer.
/// No elements: sum 0, prod 1, mean NaN; max and min throw Error.
/// The work is split by shape alone and combined in order: the bits do not depend on the thread count.
enum class Reduce : uint8_t { sum, mean, max, min, prod };
void reduce(Reduce op, const Array& x, const Array& y);

/// y = the index along `dim` of x's maximum, the first of equals; a NaN counts as larger than all. y is i64 and has
/// size 1 at `dim`. Throws Error if x has size 0 there.
void argmax(const Array& x, int dim, const Array& y);

}  // namespace ingot::kernels
