#pragma once

#include <cstdint>

/// The micro-kernel under depthwise.h, compiled once a CPU tier. Internal to depthwise*.cpp.
namespace ingot::kernels::depthwise {

/// Weights lie in strips of so many channels, [strip][row][tap][kStrip], the last filled up with zeros: vectors of any
/// tier read them.
inline constexpr int64_t kStrip = 16;
/// Results of a tile at most.
inline constexpr int kMostWidth = 7;

/// Some results of a row, on some channels:
///   y[i][c] = clip(bias[c] + sum over rows u and taps v of x[u][i * stride + v * dilation][c] * weights[u][v][c]
///                  + residual[i][c], low, high)
/// Columns are counted from the first result's window on. Where has_tile_kernel(taps, stride, dilation), taps at
/// columns before `begin` and from `end` on count nothing, but each result has one that counts, or there are no rows.
/// Elsewhere all taps count.
struct Tile {
  int width = 1;  // results, at most kMostWidth
  int taps = 1;
  int64_t stride = 1, dilation = 1;  // in columns

  const float* x = nullptr;  // column 0 of the first row, which may lie outside
  int64_t x_row = 0, x_pixel = 0;
  int rows = 0;
  int begin = 0, end = 0;

  const float* weights = nullptr;  // of the first row and channel, the first of a strip
  int64_t weight_row = 0, weight_strip = 0;

  int64_t channels = 0;
  const float* bias = nullptr;      // or none
  const float* residual = nullptr;  // or none; may be out
  int64_t residual_pixel = 0;
  float* out = nullptr;
  int64_t out_pixel = 0;
  float low = 0, high = 0;

  // What the next tile touches first, fetched meanwhile, or none: as many rows of x as the stride has, from the column
  // on that it is the first to read; its results.
  const float* next_x = nullptr;
  const float* next_out = nullptr;
};

/// Whether a kernel is made for windows of such rows: it loads columns once for all results that read them.
constexpr bool has_tile_kernel(int64_t taps, int64_t stride, int64_t dilation) {
  if (dilation != 1) return false;
  return stride == 1 ? taps <= 3 || taps == 5 || taps == 7 : stride == 2 && (taps == 3 || taps == 5);
}

/// Adds row after row, in each tap after tap (at a stride of 2 every other one, then the others): results do not depend
/// on the others of their tile.
void run_tile(const Tile& tile);
/// Its plain twin, with sums in f64.
void run_tile_plain(const Tile& tile);

/// Rows of the output's gradient against rows of x, on some channels:
///   sums[u][v][c] += sum over r in [0, count), i in [0, width) of g[r][i][c] * x[r][u][i * stride + v][c]
/// A column of x counts where it lies in [0, x_width); each result has one that counts.
struct GradRows {
  int taps = 3, rows = 1;  // at most grad_rows(taps)
  int64_t stride = 1;
  int64_t channels = 0, width = 0, count = 1;
  const float* g = nullptr;
  int64_t g_row = 0, g_pixel = 0;
  const float* x = nullptr;  // of the first result's first tap, which may lie outside
  int64_t x_step = 0;        // from a row of g to the next
  int64_t x_row = 0, x_pixel = 0;
  int64_t column = 0, x_width = 0;  // column: where x points
  float* sums = nullptr;            // as weights lie
  int64_t sums_row = 0, sums_strip = 0;
};

constexpr bool has_grad_kernel(int64_t taps, int64_t stride, int64_t dilation) {
  return taps >= 3 && has_tile_kernel(taps, stride, dilation);
}
/// Rows of taps whose sums stay in registers.
constexpr int grad_rows(int64_t taps) { return taps == 3 ? 3 : taps == 5 ? 2 : 1; }

void add_grad_rows(const GradRows& rows);

}  // namespace ingot::kernels::depthwise
