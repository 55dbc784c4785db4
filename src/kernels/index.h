#pragma once

#include "base/array.h"

namespace ingot::kernels {

void gather(const Array& x, const Array& index, int dim, const Array& y);
void scatter_add(const Array& g, const Array& index, int dim, const Array& dx);

}  // namespace ingot::kernels
