#pragma once

#include <cstdint>

#include "ingot/dtype.h"
#include "kernels/elementwise.h"

namespace ingot::kernels {

/// One operation on contiguous runs: out[i] = f(in[0][i], in[1][i], ...) for i < n.
using MapKernel = void (*)(const void* const* in, void* out, int64_t n, double alpha);

// By SIMD for f32; null where there is none.
MapKernel simd_kernel(Unary op);
MapKernel simd_kernel(Binary op);
MapKernel simd_kernel(Activation activation);

MapKernel simd_gradient(Activation activation);

// Plain loops for f32, f64 and integers; null where the operation does not make sense for the type.
MapKernel plain_kernel(Unary op, DType dtype);
MapKernel plain_kernel(Binary op, DType dtype);
MapKernel plain_kernel(Activation activation, DType dtype);
MapKernel plain_gradient(Activation activation, DType dtype);

}  // namespace ingot::kernels
