#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "ingot/geometry.h"
#include "kernels/cut.h"
#include "kernels/gemm_kernel.h"

/// Products of rows that are given by pointers with packed weights, in f32: what convolutions of any kernel, stride and
/// dilation, Winograd's products and linear layers are all made of, without an im2col. The micro-kernel is in
/// gemm_simd.cpp with what follows the sums (bias, residual, activation), its plain twin in gemm_plain.cpp.
///
/// Bits: the sum over k goes in the order of taps and k, in slices that depend on the sizes alone. So a row's results
/// do not depend on the rows beside it, nor on who computes them.
namespace ingot::kernels::gemm {

int64_t strips_of(int64_t columns);
int64_t panels_of(int64_t rows);

/// Weights in strips of Tile::columns columns, [strip][tap][k][Tile::columns], the last strip filled up with zeros.
/// Each range of columns that has a destination of its own begins with a strip of its own.
struct Weights {
  int taps = 1;
  int64_t depth = 0;  // k of each tap

  int64_t strip_size() const { return taps * depth * tile().columns; }  // in floats
  int64_t packed_size(int64_t columns) const { return strips_of(columns) * strip_size(); }
};

/// Panels of one height.
struct PanelRange {
  const float* const* pointers;  // of the first
  int64_t panels, first_row;
  int height;
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
  /// Calls f for ranges of about so many panels, as equal as can be.
  template <class F>
  void for_ranges(int64_t wanted, const F& f) const;

 private:
  const float** pointers_;
  int64_t count_[2] = {0, 0};
  int taps_ = 1, height_[2] = {1, 1};
};

/// The activations that the kernel applies itself, as bounds of the result.
struct Clip {
  float low = -std::numeric_limits<float>::infinity(), high = std::numeric_limits<float>::infinity();
};
/// None where the activation is another.
Clip clip_of(Activation activation);
/// The others, in place on rows of results; nothing where the kernel has applied it.
void activate_rows(Activation activation, double alpha, float* data, int64_t stride, int64_t rows, int64_t columns);

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
  int64_t row_distance = 0;  // in floats, of rows of one tap that lie evenly; 0: they do not, none are fetched ahead
  int64_t next_rows = 0;     // from a row to the one that is fetched meanwhile; 0: those that lie behind a range's rows
  Weights shape;
  const float* weights;
  Output output;
  int64_t offset = 0;      // of the elements that count, in each row
  bool continues = false;  // what follows the weights is read next
};
int64_t sums_size(int64_t panels);
void multiply(const Product& product, int64_t begin, int64_t end, float* sums);

template <class F>
void Panels::fill(const F& row) {
  const int64_t most = tile().rows;
  const float** panel = pointers_;
  for (int part = 0; part < 2; ++part)
    for (int64_t i = 0; i < count_[part]; ++i, panel += taps_ * most)
      for (int r = 0; r < height_[part]; ++r) row(panel + r);
}

template <class F>
void Panels::for_ranges(int64_t wanted, const F& f) const {
  const float* const* pointers = pointers_;
  int64_t row = 0;
  for (int part = 0; part < 2; ++part) {
    const Cut ranges{count_[part], std::max((count_[part] + wanted / 2) / wanted, std::min<int64_t>(1, count_[part]))};
    for (int64_t i = 0; i < ranges.parts; ++i) {
      const int64_t panels = ranges.size(i);
      f(PanelRange{.pointers = pointers, .panels = panels, .first_row = row, .height = height_[part]});
      pointers += panels * taps_ * tile().rows;
      row += panels * height_[part];
    }
  }
}

}  // namespace ingot::kernels::gemm
