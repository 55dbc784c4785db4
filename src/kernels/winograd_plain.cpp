#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <numbers>

#include "kernels/winograd_transforms.h"

namespace ingot::kernels::winograd {
namespace {

// Lavin & Gray 2016 for F(2,3) on the points 0, 1, -1, infinity. F(4,3) is on 0, +-sqrt(1/2), +-sqrt(2), infinity: the
// product of the squares is 1, and results err half as much as on the usual 0, +-1, +-2.
constexpr double a = std::numbers::sqrt2 / 2, b = std::numbers::sqrt2;

constexpr Matrix kInput2{4, 4, {1, 0, -1, 0, 0, 1, 1, 0, 0, -1, 1, 0, 0, 1, 0, -1}};
constexpr Matrix kOutput2{2, 4, {1, 1, 1, 0, 0, 1, -1, -1}};
constexpr Matrix kWeight2{4, 3, {1, 0, 0, 0.5, 0.5, 0.5, 0.5, -0.5, 0.5, 0, 0, 1}};

constexpr Matrix kInput4{6, 6, {1, 0,      -2.5, 0,    1, 0,  //
                                0, -2 * a, -2,   a,    1, 0,  //
                                0, 2 * a,  -2,   -a,   1, 0,  //
                                0, -b / 2, -0.5, b,    1, 0,  //
                                0, b / 2,  -0.5, -b,   1, 0,  //
                                0, 1,      0,    -2.5, 0, 1}};
constexpr Matrix kOutput4{4, 6, {1, 1,     1,      1,     1,      0,  //
                                 0, a,     -a,     b,     -b,     0,  //
                                 0, 0.5,   0.5,    2,     2,      0,  //
                                 0, a / 2, -a / 2, 2 * b, -2 * b, 1}};
// F(2,7) is on 0, +-1/2, +-1, +-2, infinity, where A and B^T are exact: others, with as many, err no less.
constexpr Matrix kInput27{8, 8, {-1, 0,    5.25, 0,     -5.25, 0,     1, 0,  //
                                 0,  2,    4,    -2.5,  -5,    0.5,   1, 0,  //
                                 0,  -2,   4,    2.5,   -5,    -0.5,  1, 0,  //
                                 0,  1,    1,    -4.25, -4.25, 1,     1, 0,  //
                                 0,  -1,   1,    4.25,  -4.25, -1,    1, 0,  //
                                 0,  0.5,  0.25, -2.5,  -1.25, 2,     1, 0,  //
                                 0,  -0.5, 0.25, 2.5,   -1.25, -2,    1, 0,  //
                                 0,  -1,   0,    5.25,  0,     -5.25, 0, 1}};
constexpr Matrix kOutput27{2,
                           8,
                           {1, 1, 1, 1, 1, 1, 1, 0,  //
                            0, 0.5, -0.5, 1, -1, 2, -2, 1}};

/// Rows of [1, x, x^2, ...] / (the product of x's distances from the other points), the last of infinity.
constexpr Matrix weights_on(std::initializer_list<double> points, int taps) {
  Matrix g{static_cast<int>(points.size()) + 1, taps, {}};
  double* row = g.values;
  for (const double x : points) {
    double value = 1;
    for (const double other : points) value /= other == x ? 1 : x - other;
    for (int t = 0; t < taps; ++t, value *= x) row[t] = value;
    row += taps;
  }
  row[taps - 1] = 1;
  return g;
}
constexpr Matrix kWeight4 = weights_on({0, a, -a, b, -b}, 3), kWeight27 = weights_on({0, 0.5, -0.5, 1, -1, 2, -2}, 7);

// For a stride of 2: F(2,2) on +-1, infinity, and F(4,2) on +-1/2, +-5/4, infinity, whose results err less than on any
// other of many points that were tried.
constexpr Matrix kInput22{3, 3, {1, 1, 0, -1, 1, 0, -1, 0, 1}};
constexpr Matrix kOutput22{2, 3, {1, 1, 0, 1, -1, 1}};
constexpr Matrix kInput42{5, 5, {-0.78125, -1.5625, 0.5,     1, 0,  //
                                 0.78125,  -1.5625, -0.5,    1, 0,  //
                                 -0.3125,  -0.25,   1.25,    1, 0,  //
                                 0.3125,   -0.25,   -1.25,   1, 0,  //
                                 0.390625, 0,       -1.8125, 0, 1}};
constexpr Matrix kOutput42{4, 5, {1,     1,      1,        1,         0,  //
                                  0.5,   -0.5,   1.25,     -1.25,     0,  //
                                  0.25,  0.25,   1.5625,   1.5625,    0,  //
                                  0.125, -0.125, 1.953125, -1.953125, 1}};
constexpr Matrix kWeight22 = weights_on({1, -1}, 2), kWeight42 = weights_on({0.5, -0.5, 1.25, -1.25}, 2);

struct Matrices {
  Matrix input, weight, output;
};

/// Along an axis at a stride of 2, from those of F(m, 2).
constexpr Matrices strided(const Matrices& two) {
  const int m = two.output.rows, first = m + 1, edge = 2 * m + 1;
  Matrices all{{edge, edge, {}}, {first + 1, 3, {}}, {m, edge, {}}};
  for (int i = 0; i < first; ++i) {
    for (int j = 0; j < first; ++j) all.input.values[i * edge + 2 * j] = two.input.values[i * first + j];
    for (int t = 0; t < 2; ++t) all.weight.values[i * 3 + 2 * t] = two.weight.values[i * 2 + t];
    for (int k = 0; k < m; ++k) all.output.values[k * edge + i] = two.output.values[k * first + i];
  }
  for (int k = 0; k < m; ++k)
    all.input.values[(first + k) * edge + 2 * k + 1] = all.output.values[k * edge + first + k] = 1;
  all.weight.values[first * 3 + 1] = 1;
  return all;
}

const Matrices& matrices_of(const Filter& f) {
  static constexpr Matrices kStrided2 = strided({kInput22, kWeight22, kOutput22}),
                            kStrided4 = strided({kInput42, kWeight42, kOutput42});
  if (f.stride == 2) return f.m == 2 ? kStrided2 : kStrided4;
  static constexpr Matrices kThree2{kInput2, kWeight2, kOutput2}, kThree4{kInput4, kWeight4, kOutput4},
      kSeven2{kInput27, kWeight27, kOutput27};
  if (f.taps() == 7) return kSeven2;
  return f.m == 2 ? kThree2 : kThree4;
}

Matrix transposed(const Matrix& x) {
  Matrix out{x.columns, x.rows, {}};
  for (int i = 0; i < x.rows; ++i)
    for (int j = 0; j < x.columns; ++j) out.values[j * x.rows + i] = x.values[i * x.columns + j];
  return out;
}

/// out = L in L^T; of a line L in.
void apply(const Matrix& l, bool is_line, const double* in, double* out) {
  if (is_line) {
    for (int i = 0; i < l.rows; ++i) {
      out[i] = 0;
      for (int k = 0; k < l.columns; ++k) out[i] += l.values[i * l.columns + k] * in[k];
    }
    return;
  }
  double half[kMostProducts];  // L in
  for (int i = 0; i < l.rows; ++i)
    for (int j = 0; j < l.columns; ++j) {
      half[i * l.columns + j] = 0;
      for (int k = 0; k < l.columns; ++k)
        half[i * l.columns + j] += l.values[i * l.columns + k] * in[k * l.columns + j];
    }
  for (int i = 0; i < l.rows; ++i)
    for (int j = 0; j < l.rows; ++j) {
      out[i * l.rows + j] = 0;
      for (int k = 0; k < l.columns; ++k) out[i * l.rows + j] += half[i * l.columns + k] * l.values[j * l.columns + k];
    }
}

}  // namespace

Matrix output_matrix(const Filter& filter) { return matrices_of(filter).output; }

Matrix matrix_of(Transform which, const Filter& filter) {
  const Matrices& all = matrices_of(filter);
  switch (which) {
    case Transform::input:
      return all.input;
    case Transform::weight:
      return all.weight;
    case Transform::gradient:
      return transposed(all.output);
    case Transform::weight_sums:
      return transposed(all.weight);
  }
  __builtin_unreachable();
}

void transform_plain(Transform which, const Filter& filter, const Planes& p) {
  const Matrix l = matrix_of(which, filter);
  const bool is_line = filter.is_line();
  const int size = is_line ? l.columns : l.columns * l.columns, results = is_line ? l.rows : l.rows * l.rows;
  double in[kMostProducts], out[kMostProducts];
  for (int64_t c = 0; c < p.channels; ++c) {
    for (int i = 0; i < size; ++i) in[i] = static_cast<double>(p.in[i][c]);
    apply(l, is_line, in, out);
    for (int i = 0; i < results; ++i)
      p.out[i * p.plane + c / p.width * p.strip + c % p.width] = static_cast<float>(out[i]);
  }
}

void transform_output_plain(const Filter& filter, const OutputTile& t) {
  const Matrix l = output_matrix(filter);
  const int64_t across = filter.results().w;
  double in[kMostProducts], out[kMostProducts];
  for (int64_t c = 0; c < t.channels; ++c) {
    for (int i = 0; i < filter.products(); ++i) in[i] = static_cast<double>(t.sums[i * t.plane + c]);
    apply(l, filter.is_line(), in, out);
    for (int i = 0; i < t.rows; ++i)
      for (int j = 0; j < t.columns; ++j) {
        double y = out[i * across + j];
        if (t.bias != nullptr) y += static_cast<double>(t.bias[c]);
        if (t.residual != nullptr) y += static_cast<double>(t.residual[i * t.residual_row + j * t.residual_pixel + c]);
        t.out[i * t.out_row + j * t.out_pixel + c] = std::min(t.high, std::max(t.low, static_cast<float>(y)));
      }
  }
}

}  // namespace ingot::kernels::winograd
