#pragma once

#include "base/array.h"

namespace ingot::kernels {

// Over dimension `dim` of f32, f64 or bf16 arrays (the latter in f32) of any strides; lines along it are independent.
// The maximum is taken off first, so that no exponential overflows.

/// y = e^(x - max) / sum e^(x - max)
void softmax(const Array& x, int dim, const Array& y);
/// y = x - max - log sum e^(x - max)
void log_softmax(const Array& x, int dim, const Array& y);

/// dx = y * (g - sum g * y), y the result of softmax.
void softmax_grad(const Array& y, const Array& g, int dim, const Array& dx);
/// dx = g - e^y * sum g, y the result of log_softmax.
void log_softmax_grad(const Array& y, const Array& g, int dim, const Array& dx);

}  // namespace ingot::kernels
