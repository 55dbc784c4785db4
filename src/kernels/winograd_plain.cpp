#include <algorithm>
#include <cmath>
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
// Rows of [1, x, x^2] / (the product of x's distances from the other points).
constexpr double kA = 2 * 0.5 * (0.5 - 2), kB = 2 * 2 * (2 - 0.5);
constexpr Matrix kWeight4{6,
                          3,
                          {1, 0, 0,                    //
                           1 / kA, a / kA, 0.5 / kA,   //
                           1 / kA, -a / kA, 0.5 / kA,  //
                           1 / kB, b / kB, 2 / kB,     //
                           1 / kB, -b / kB, 2 / kB,    //
                           0, 0, 1}};

Matrix transposed(const Matrix& x) {
  Matrix out{x.columns, x.rows, {}};
  for (int i = 0; i < x.rows; ++i)
    for (int j = 0; j < x.columns; ++j) out.values[j * x.rows + i] = x.values[i * x.columns + j];
  return out;
}

/// out = L in L^T.
void sandwich(const Matrix& l, const double* in, double* out) {
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

Matrix output_matrix(int m) { return m == 2 ? kOutput2 : kOutput4; }

Matrix matrix_of(Transform which, int m) {
  switch (which) {
    case Transform::input:
      return m == 2 ? kInput2 : kInput4;
    case Transform::weight:
      return m == 2 ? kWeight2 : kWeight4;
    case Transform::gradient:
      return transposed(output_matrix(m));
    case Transform::weight_sums:
      return transposed(matrix_of(Transform::weight, m));
  }
  __builtin_unreachable();
}

void transform_plain(Transform which, int m, const Planes& p) {
  const Matrix l = matrix_of(which, m);
  double in[kMostProducts], out[kMostProducts];
  for (int64_t c = 0; c < p.channels; ++c) {
    for (int i = 0; i < l.columns * l.columns; ++i) in[i] = static_cast<double>(p.in[i][c]);
    sandwich(l, in, out);
    for (int i = 0; i < l.rows * l.rows; ++i)
      p.out[i * p.plane + c / p.width * p.strip + c % p.width] = static_cast<float>(out[i]);
  }
}

void transform_output_plain(int m, const OutputTile& t) {
  const Matrix l = output_matrix(m);
  double in[kMostProducts], out[kMostProducts];
  for (int64_t c = 0; c < t.channels; ++c) {
    for (int p = 0; p < products(m); ++p) in[p] = static_cast<double>(t.sums[p * t.plane + c]);
    sandwich(l, in, out);
    for (int i = 0; i < t.rows; ++i)
      for (int j = 0; j < t.columns; ++j) {
        double y = out[i * m + j];
        if (t.bias != nullptr) y += static_cast<double>(t.bias[c]);
        if (t.residual != nullptr) y += static_cast<double>(t.residual[i * t.residual_row + j * t.residual_pixel + c]);
        t.out[i * t.out_row + j * t.out_pixel + c] = std::min(t.high, std::max(t.low, static_cast<float>(y)));
      }
  }
}

}  // namespace ingot::kernels::winograd
