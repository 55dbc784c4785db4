#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ingot/geometry.h"
#include "kernels/gemm_kernel.h"

/// Products of rows that are given by pointers with packed weights, in f32: what convolutions of any kernel, stride and
/// dilation, Winograd's products and linear layers are all made of, without an im2col. The micro-kernel is in
/// gemm_simd.cpp with what follows the sums (bias, residual, activation), its plain twin in gemm_plain.cpp.
///
/// Bits: the sum over k goes in the order of taps and k, in slices that depend on the sizes alone. So a row's results
/// do not depend on the rows beside it, nor on who computes them.
namespace ingot::kernels::gemm {

int64_t strips_of(int64_t columns);

/// Weights in strips of Tile::columns columns, [strip][tap][k][Tile::columns], the last strip filled up with zeros.
/// Each range of columns that has a destination of its own begins with a strip of its own.
struct Weights {
  int taps = 1;
  int64_t depth = 0;  // k of each tap

  int64_t strip_size() const { return taps * depth * tile().columns; }  // in floats
  int64_t packed_size(int64_t columns) const { return strips_of(columns) * strip_size(); }
  /// Packs one range: `weight(tap, k, column)`.
  template <class F>
  void pack(int64_t columns, const F& weight, float* to) const;
};

/// Rows as pointers, cut into panels of equal heights, or of two that differ by one: a kernel of few rows is slow.
class Panels {
 public:
  /// Pointers that so many rows of so many taps take.
  static int64_t size(int64_t rows, int taps);
  explicit Panels(const float** memory) : pointers_(memory) {}

  /// Cuts; then fill(row) calls row(pointers) for each row in order, whose tap t begins at pointers[t * Tile::rows].
  void cut(int64_t rows, int taps);
  template <class F>
  void fill(const F& row);

  int taps() const { return taps_; }
  int64_t rows() const { return rows_; }
  int64_t panels() const { return count_[0] + count_[1]; }

 private:
  friend class Sweep;
  const float** pointers_;
  int64_t rows_ = 0, count_[2] = {0, 0};
  int taps_ = 1, height_[2] = {1, 1};
};

/// Where a range of columns goes: row i's begin at data + i * stride.
struct Output {
  int64_t columns = 0;
  float* data = nullptr;
  int64_t stride = 0;
  const float* residual = nullptr;  // or none; may be data
  int64_t residual_stride = 0;
  const float* bias = nullptr;  // [columns], or none
  Activation activation = Activation::none;
  double alpha = 0;
};

/// output = activation(rows x weights + bias + residual) for the strips [begin, end) of one range. `weights` are those
/// of the range. `sums` holds sums_size(panels) floats.
struct Product {
  const Panels* rows;
  Weights shape;
  const float* weights;
  Output output;
};
int64_t sums_size(int64_t panels);
void multiply(const Product& product, int64_t begin, int64_t end, float* sums);

template <class F>
void Weights::pack(int64_t columns, const F& weight, float* to) const {
  const int64_t width = tile().columns;
  for (int64_t first = 0; first < columns; first += width)
    for (int t = 0; t < taps; ++t)
      for (int64_t k = 0; k < depth; ++k)
        for (int64_t j = first; j < first + width; ++j) *to++ = j < columns ? weight(t, k, j) : 0.0f;
}

template <class F>
void Panels::fill(const F& row) {
  const int64_t most = tile().rows;
  const float** panel = pointers_;
  for (int part = 0; part < 2; ++part)
    for (int64_t i = 0; i < count_[part]; ++i, panel += taps_ * most)
      for (int r = 0; r < height_[part]; ++r) row(panel + r);
}

}  // namespace ingot::kernels::gemm
