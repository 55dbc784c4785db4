#pragma once

#include "base/array.h"

namespace ingot::kernels {

void softmax(const Array& x, int dim, const Array& y);
void log_softmax(const Array& x, int dim, const Array& y);
void softmax_grad(const Array& y, const Array& g, int dim, const Array& dx);
void log_softmax_grad(const Array& y, const Array& g, int dim, const Array& dx);

}  // namespace ingot::kernels
