#pragma once

#include "base/array.h"

namespace ingot::kernels {

// Over the last dimension of x, of size n > 0; the lines are independent. f32, f64, bf16 (computed in f32), any
// strides. mean and rstd have x's rank with a last size of 1 and are f64 for f64, else f32. Bits do not depend on the
// thread count.

/// mean = sum x / n, rstd = 1 / sqrt(sum (x - mean)^2 / n + eps), y = (x - mean) * rstd * gamma + beta.
/// gamma and beta [n] of x's dtype, mean and rstd, may each be absent.
void layer_norm(const Array& x, const Array& gamma, const Array& beta, double eps, const Array& y, const Array& mean,
                const Array& rstd);

/// With h = (x - mean) rstd and u = g gamma:
///   dx = rstd (u - mean(u) - h mean(u h)),  dgamma = sum g h,  dbeta = sum g over all lines.
/// dgamma and dbeta [n], any of the three results may be absent.
void layer_norm_grad(const Array& x, const Array& g, const Array& gamma, const Array& mean, const Array& rstd,
                     const Array& dx, const Array& dgamma, const Array& dbeta);

}  // namespace ingot::kernels
