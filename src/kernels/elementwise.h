#pragma once

#include <cstdint>
#include <string_view>

#include "base/array.h"
#include "ingot/geometry.h"

namespace ingot::kernels {

// All arrays of a call have one shape; inputs may be broadcast by stride 0, any array may be strided, and an output may
// be one of the inputs (the same array, not a shifted view of it). f32 and f64 are computed as they are, bf16 in f32
// and rounded once. A combination that is not named here throws Error.

/// y = f(x), x and y of one dtype.
/// f32, f64, bf16: all. Integers: neg, abs, sign, square, relu (wrapping) and floor, ceil, round (as they are).
/// f32 errs by at most 4 ulp; sign(NaN) = 0, relu(NaN) = NaN, round is half to even.
enum class Unary : uint8_t {
  neg,
  abs,
  sign,
  square,
  sqrt,
  rsqrt,
  reciprocal,
  exp,
  expm1,
  log,
  log1p,
  floor,
  ceil,
  round,
  sin,
  cos,
  relu,
  sigmoid,
  tanh,
  erf,
  softplus,
};
void unary(Unary op, const Array& x, const Array& y);
std::string_view name_of(Unary op);

/// y = f(a, b); a and b of one dtype. Arithmetic: y of the same dtype. Comparisons: y is bool, NaN compares as in C.
/// Integer arithmetic wraps, integer div truncates and x / 0 = 0, on bool add is or, mul is and. pow is floating only.
/// maximum and minimum give NaN where either operand is NaN.
enum class Binary : uint8_t { add, sub, mul, div, maximum, minimum, pow, eq, ne, lt, le, gt, ge };
void binary(Binary op, const Array& a, const Array& b, const Array& y);
std::string_view name_of(Binary op);

/// y = cond ? a : b; cond is bool, the others of one dtype, any.
void where(const Array& cond, const Array& a, const Array& b, const Array& y);

/// y = activation(x) for f32, f64, bf16. alpha: the slope of leaky_relu, the scale of elu; no activation reads beta
/// yet. gelu is the exact one, x/2 * (1 + erf(x / sqrt 2)); hardsigmoid is clamp(x + 3, 0, 6) / 6, hardswish x times
/// that.
void activate(Activation activation, double alpha, double beta, const Array& x, const Array& y);

/// dx = g f'(x) for the same types and activations; relu, sigmoid and tanh take their result in place of x.
void activation_grad(Activation activation, double alpha, const Array& x, const Array& g, const Array& dx);

/// y = x between any two dtypes (as kernels/convert.h says) and any strides; transposes go in tiles.
void copy(const Array& x, const Array& y);

/// y = value, converted as `copy` does.
void fill(const Array& y, double value);

}  // namespace ingot::kernels
