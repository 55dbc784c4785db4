#pragma once

#include <cstdint>
#include <limits>

/// The transforms of conv_winograd.h, one tile at a time, on all channels. Internal to winograd*.cpp.
namespace ingot::kernels::winograd {

/// F(m x m, 3 x 3): a tile gives m x m results of (m + 2) x (m + 2) pixels, by that many products.
constexpr int edge(int m) { return m + 2; }
constexpr int products(int m) { return edge(m) * edge(m); }
inline constexpr int kMostProducts = products(4);

/// L d L^T for a square d of each channel, in the terms of y = A^T [(G w G^T) * (B^T d B)] A and of its gradient in w,
/// G^T [(A g A^T) * (B^T d B)] G.
enum class Transform {
  input,        // L = B^T, edge x edge: pixels
  weight,       // G, edge x 3: a filter
  gradient,     // A, edge x m: a tile of the gradient of y
  weight_sums,  // G^T, 3 x edge: products of the two, summed over tiles
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
void transform(Transform which, int m, const Planes& planes);
void transform_plain(Transform which, int m, const Planes& planes);

/// y = clip(A^T s A + bias + residual, low, high), s[p] being sums[p * plane + c]. Of the m x m results those in the
/// first `rows` rows and `columns` columns are written.
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
void transform_output(int m, const OutputTile& tile);
void transform_output_plain(int m, const OutputTile& tile);

/// L, row by row.
struct Matrix {
  int rows, columns;
  double values[36];
};
Matrix matrix_of(Transform which, int m);
Matrix output_matrix(int m);  // A^T, m x edge

}  // namespace ingot::kernels::winograd
