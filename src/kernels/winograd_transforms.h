#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "ingot/geometry.h"

/// The transforms of conv_winograd.h, one tile at a time, on all channels. Internal to winograd*.cpp.
namespace ingot::kernels::winograd {

/// Along an axis on which the kernel has r > 1 taps, F(m, r): m results of edge = m + r - 1 pixels. So a square
/// kernel's tile gives m x m results, one of a row or a column of taps a line of m, each by as many products as it has
/// pixels.
///
/// At a stride of 2, for 3x3 kernels, the first and the last tap meet every other pixel, and the middle one those
/// between: along an axis m results are the sum of F(m, 2) of m + 1 pixels and of m plain products, edge = 2 m + 1. The
/// plain ones have one weight.
struct Filter {
  int m;
  Pair kernel;
  int stride = 1;

  constexpr int taps() const { return static_cast<int>(std::max(kernel.h, kernel.w)); }
  constexpr int edge() const { return (m - 1) * stride + taps(); }
  constexpr bool is_line() const { return kernel.h == 1 || kernel.w == 1; }
  constexpr Pair results() const { return {kernel.h == 1 ? 1 : m, kernel.w == 1 ? 1 : m}; }
  constexpr Pair pixels() const {
    return {(results().h - 1) * stride + kernel.h, (results().w - 1) * stride + kernel.w};
  }
  constexpr int products() const { return static_cast<int>(pixels().h * pixels().w); }
  /// Transformed weights, along an axis and in all.
  constexpr int edge_weights() const { return stride == 1 ? edge() : m + 2; }
  constexpr int weights() const { return is_line() ? edge_weights() : edge_weights() * edge_weights(); }
  /// Which of them a product is with.
  constexpr int weight_of(int product) const {
    if (stride == 1) return product;
    const int last = edge_weights() - 1;
    return std::min(product / edge(), last) * edge_weights() + std::min(product % edge(), last);
  }
};
inline constexpr int kMostProducts = Filter{4, 3, 2}.products();

/// L d L^T for a square d of each channel, in the terms of y = A^T [(G w G^T) * (B^T d B)] A and of its gradient in w,
/// G^T [(A g A^T) * (B^T d B)] G. For a line d, L d.
enum class Transform {
  input,        // L = B^T, edge x edge: pixels
  weight,       // G, edge_weights x r: a filter
  gradient,     // A, edge x m: a tile of the gradient of y; squares of stride 1 only
  weight_sums,  // G^T, r x edge: products of the two, summed over tiles; likewise
};

/// in[i][c] is element i of d, row by row. Element p of the result goes to out[p * plane + c / width * strip + c %
/// width].
struct Planes {
  const float* const* in;
  int64_t channels;
  float* out;
  int64_t plane;
  int64_t width = std::numeric_limits<int64_t>::max(), strip = 0;
};
void transform(Transform which, const Filter& filter, const Planes& planes);
void transform_plain(Transform which, const Filter& filter, const Planes& planes);

/// y = clip(A^T s A + bias + residual, low, high), or A^T s of a line, s[p] being sums[p * plane + c]. Of the results
/// those in the first `rows` rows and `columns` columns are written.
struct OutputTile {
  const float* sums;
  int64_t plane, channels;
  const float* bias;  // or none
  int rows, columns;
  float* out;
  int64_t out_row, out_pixel;
  const float* residual;  // or none
  int64_t residual_row, residual_pixel;
  float low, high;
};
void transform_output(const Filter& filter, const OutputTile& tile);
void transform_output_plain(const Filter& filter, const OutputTile& tile);

/// L, row by row.
struct Matrix {
  int rows, columns;
  double values[kMostProducts];
};
Matrix matrix_of(Transform which, const Filter& filter);
Matrix output_matrix(const Filter& filter);  // A^T, m x edge

}  // namespace ingot::kernels::winograd
