#pragma once

#include "base/array.h"

namespace ingot::kernels {

// Batch normalisation over dimension 1 of [N, C, ...] arrays (Ioffe & Szegedy 2015): f32, bf16, f64. Arrays of shape
// [C] are f32 or f64. Any strides; arrays whose channels are contiguous (channels-last, [N, C]) are fast.
// Sums are f64 (of four neighbouring places first f32, where vectors compute them), cut by shape alone and combined in
// order: the bits do not depend on the thread count.

/// mean[c] and the biased variance[c] over the other dimensions; NaN where these have no elements. Shifted by the first
/// element, so that data far from 0 (|mean| = 1e4 std and beyond) loses nothing.
void batch_norm_stats(const Array& x, const Array& mean, const Array& variance);

/// y = f((x - mean) * invstd * gamma + beta + residual), f = max(0, .) if `relu`. gamma, beta (both or neither) and
/// residual may be absent (`Array{}`).
void batch_norm_apply(const Array& x, const Array& mean, const Array& invstd, const Array& gamma, const Array& beta,
                      const Array& residual, bool relu, const Array& y);

/// Where a gradient passes the ReLU at the end: everywhere without one; where y > 0; or, with neither y nor a residual,
/// where (x - mean) * invstd * gamma + beta > 0, computed as batch_norm_apply does, which spares reading y.
struct ReluMask {
  bool relu = false;
  Array y = {}, beta = {};
};

/// With g' = g where the mask lets it pass, else 0: dbeta = sum g', dgamma = sum g' * (x - mean) * invstd; 0 of
/// nothing. gamma may be absent; it matters to the mask alone.
void batch_norm_grad_sums(const Array& x, const ReluMask& mask, const Array& g, const Array& mean, const Array& invstd,
                          const Array& gamma, const Array& dgamma, const Array& dbeta);

/// dx = gamma * invstd * (g' - dbeta / count - (x - mean) * invstd * dgamma / count), dresidual = g'.
/// `count` is the number of elements of a channel, over all ranks where the sums are. Without dgamma and dbeta the mean
/// and variance were constants: dx = gamma * invstd * g'. gamma and dresidual may be absent.
void batch_norm_grad_input(const Array& x, const ReluMask& mask, const Array& g, const Array& mean, const Array& invstd,
                           const Array& gamma, const Array& dgamma, const Array& dbeta, double count, const Array& dx,
                           const Array& dresidual);

/// Both, for statistics of this batch. dx may be absent.
void batch_norm_grad(const Array& x, const ReluMask& mask, const Array& g, const Array& mean, const Array& invstd,
                     const Array& gamma, const Array& dx, const Array& dgamma, const Array& dbeta,
                     const Array& dresidual);

}  // namespace ingot::kernels
