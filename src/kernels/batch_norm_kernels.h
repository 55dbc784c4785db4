#pragma once

#include <array>
#include <type_traits>

#include "kernels/strided.h"

namespace ingot::kernels {

/// Per-channel numbers, contiguous; P is float for f32 and bf16 data, double for f64.
template <class P>
struct Channels {
  int64_t count;
  std::array<int64_t, 5> stride;    // of the channel dimension in each array of the block
  const P *mean, *scale, *beta;     // scale = gamma * invstd
  const P *mean_grad, *projection;  // dbeta / count and invstd * dgamma / count; null for constant statistics
};

/// Where a gradient passes: everywhere, where y > 0, or where what `apply` computes from x alone is.
enum class Mask : uint8_t { none, of_y, of_x };

/// What one row of a block goes through; the elements of a block's loops are the places that share C channels.
template <class T>
struct BatchNormKernels {
  using P = std::conditional_t<std::is_same_v<T, double>, double, float>;
  /// sum += x - mean, square += (x - mean)^2
  void (*stats)(const Block<1>& x, int64_t row, const Channels<P>&, double* sum, double* square);
  /// Block: x, residual, y.
  void (*apply)(const Block<3>&, int64_t row, const Channels<P>&, bool residual, bool relu);
  /// Block: x, y, g. sum += g', product += g' * (x - mean)
  void (*grad_sums)(const Block<3>&, int64_t row, const Channels<P>&, Mask, double* sum, double* product);
  /// Block: x, y, g, dresidual, dx.
  void (*grad_input)(const Block<5>&, int64_t row, const Channels<P>&, Mask, bool residual);
};

template <class T>
const BatchNormKernels<T>& plain_batch_norm();
/// For channels of stride 1; T is float or bf16.
template <class T>
const BatchNormKernels<T>& simd_batch_norm();

}  // namespace ingot::kernels
