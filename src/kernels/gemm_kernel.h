#pragma once

#include <cstdint>

/// The micro-kernel under gemm.h, compiled once a CPU tier. Internal to gemm*.cpp.
namespace ingot::kernels::gemm {

/// Rows and columns that one pass of the kernel holds in registers: 6 x 16 on AVX2, 8 x 32 on AVX-512, 6 x 2
/// elsewhere.
struct Tile {
  int rows, columns;
};
inline constexpr int kMostColumns = 32;

/// Memory that is read soon.
struct Lines {
  const char *begin = nullptr, *end = nullptr;
};

/// Panels of rows, each of the same number, times one strip of at most Tile::columns columns:
///   sum[r][j] = sum over taps t and k in [0, depth) of rows[panel][t][r][offset + k] * weights[t][k][j]
///   out[r][j] = clip(sum[r][j] + bias[j] + residual[r][j], low, high)
/// A sum over many k is cut in slices, which are calls of their own: between them the sums wait in `sums`.
struct Strip {
  const float* const* rows = nullptr;  // [panel][tap][Tile::rows]: where a row begins
  int panels = 0;
  int64_t panel_step = 0;  // pointers from one panel to the next
  int taps = 1;
  int64_t depth = 0, offset = 0;
  const float* weights = nullptr;  // [tap][depth][Tile::columns]

  float* sums = nullptr;  // [panel][Tile::rows][Tile::columns]
  bool first = true, last = true;

  float* out = nullptr;
  int64_t out_stride = 0, columns = 0;  // columns that there are: the weights' others are zero
  const float* bias = nullptr;          // or none
  const float* residual = nullptr;      // or none; may be out
  int64_t residual_stride = 0;
  float low = 0, high = 0;

  Lines next[2];  // fetched meanwhile, the one after the other
};

Tile tile();
/// The kernel for panels of so many rows, at most tile().rows.
using StripKernel = void (*)(const Strip&);
StripKernel strip_kernel(int rows);
/// Their plain twin, with sums in f64 and no slices.
void run_strip_plain(int rows, const Strip& strip);

}  // namespace ingot::kernels::gemm
