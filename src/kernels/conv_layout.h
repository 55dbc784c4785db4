#pragma once

#include <cstdint>

#include "base/array.h"

namespace ingot::kernels {

/// Whether the elements lie in N,H,W,C order without gaps. Strides of dimensions of size 1 do not matter.
bool is_channels_last(const Array& array);

/// An array of `like`'s sizes over `data`, in N,H,W,C order.
Array channels_last(const Array& like, DType dtype, void* data);

/// to = from, element by element, for 4-D arrays of f32, f64 or bf16 with any strides.
void copy_4d(const Array& from, const Array& to);

void fill_zero(const Array& array);

/// copy_4d that strided_copies() counts.
void copy_strided(const Array& from, const Array& to);

}  // namespace ingot::kernels
