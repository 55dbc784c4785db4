#pragma once

#include <cstdint>

/// Sums of outer products, which gradients of weights are: over pixels, of the gradient at an output with the input
/// that it was made from. The micro-kernel is in outer_products_simd.cpp, compiled once a CPU tier, its plain twin in
/// outer_products_plain.cpp. Internal to conv_*_grad_weight.cpp.
namespace ingot::kernels::outer {

/// Pixels, `step` floats apart.
struct Pixels {
  const float* data = nullptr;
  int64_t step = 0, count = 0, channels = 0;
};
/// Pixels that are read soon: their lines, one at each call of next(); then the last one again and again.
class Ahead {
 public:
  Ahead() = default;
  explicit Ahead(const Pixels& p)
      : at_(reinterpret_cast<const char*>(p.data)),
        pixel_(at_),
        bytes_(p.channels * static_cast<int64_t>(sizeof(float))),
        step_(p.step * static_cast<int64_t>(sizeof(float))),
        left_(p.count) {
    if (bytes_ == step_ && left_ > 0) bytes_ *= left_, left_ = 1;
  }
  bool is_done() const { return left_ <= 0; }
  const char* next() {
    const char* const line = at_;
    if (left_ <= 0) return line;
    at_ += kLine;
    if (at_ < pixel_ + bytes_) return line;
    pixel_ += step_, --left_;
    at_ = left_ > 0 ? pixel_ : line;
    return line;
  }

 private:
  static constexpr int64_t kLine = 64;
  const char *at_ = nullptr, *pixel_ = nullptr;
  int64_t bytes_ = 0, step_ = 0, left_ = 0;
};

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
  bool first;              // the sums are set, not added to
  Ahead* ahead = nullptr;  // fetched meanwhile, or none

  /// The same positions in as few loops as can be.
  Block joined() const;
};

void run_block(int rows, const Block& block);
/// For any number of rows.
void run(int64_t rows, Block block);
/// A good number of rows for a strip of `a`: whole panels of the kernel and whole vectors.
int64_t row_width();
/// Its plain twin, with sums in f64.
void run_block_plain(int rows, const Block& block);

/// Copies pixels to strips of `width` channels, [channels / width][pixel][width], `strip` floats apart; what the last
/// one lacks is zero.
void copy_strips(const Pixels& pixels, int64_t width, int64_t strip, float* to);

}  // namespace ingot::kernels::outer
