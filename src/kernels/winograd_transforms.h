#pragma once

#include <cstdint>

/// The transforms of conv_winograd.h, one tile at a time, on all channels. Internal to winograd*.cpp.
namespace ingot::kernels::winograd {

/// F(m x m, 3 x 3): a tile gives m x m results of (m + 2) x (m + 2) pixels, by that many products.
constexpr int edge(int m) { return m + 2; }
constexpr int products(int m) { return edge(m) * edge(m); }
inline constexpr int kMostProducts = products(4);

/// out[p * plane + c] = (B^T d B)[p], d being the tile's pixels, row by row.
struct InputTile {
  const float* const* pixels;  // [products(m)], each with `channels` elements
  int64_t channels;
  float* out;
  int64_t plane;
};
void transform_input(int m, const InputTile& tile);
void transform_input_plain(int m, const InputTile& tile);

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

/// The matrices, row by row: B^T [edge, edge], A^T [m, edge], G [edge, 3].
const double* input_matrix(int m);
const double* output_matrix(int m);
const double* weight_matrix(int m);

}  // namespace ingot::kernels::winograd
