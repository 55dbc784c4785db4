#pragma once

#include <cstdint>

/// Sums of outer products, which gradients of weights are: over pixels, of the gradient at an output with the input
/// that it was made from. The micro-kernel is in outer_products_simd.cpp, compiled once a CPU tier, its plain twin in
/// outer_products_plain.cpp. Internal to conv_*_grad_weight.cpp.
namespace ingot::kernels::outer {

/// One side of the products, at planes x rows x length positions: these many floats apart.
struct Walk {
  const float* data;
  int64_t plane, row, step;
};

/// sums[r][j] (+)= sum over positions of a[r] * b[j], for rows r < gemm::tile().rows and columns j <= columns. The
/// kernel reads `b` up to gemm::tile().columns. Positions are summed by themselves before they are added: many short
/// blocks round less than a long one.
struct Block {
  Walk a, b;
  int64_t planes, rows, length;
  float* sums;
  int64_t sums_stride, columns;
  bool first;  // the sums are set, not added to

  /// The same positions in as few loops as can be.
  Block joined() const;
};

void run_block(int rows, const Block& block);
/// For any number of rows.
void run(int64_t rows, Block block);
/// A good number of rows for a strip of `a`: no less than those of the kernel.
int64_t row_width();
/// Its plain twin, with sums in f64.
void run_block_plain(int rows, const Block& block);

/// Pixels, `step` floats apart.
struct Pixels {
  const float* data;
  int64_t step, count, channels;
};
/// Copies pixels to strips of `width` channels, [channels / width][pixel][width], `strip` floats apart; what the last
/// one lacks is zero.
void copy_strips(const Pixels& pixels, int64_t width, int64_t strip, float* to);

}  // namespace ingot::kernels::outer
