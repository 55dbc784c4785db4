#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/winograd_transforms.h"

namespace ingot::kernels::winograd {
namespace {

// Lavin & Gray 2016 for F(2,3) on the points 0, 1, -1, infinity. F(4,3) is on 0, +-sqrt(1/2), +-sqrt(2), infinity: the
// product of the squares is 1, and results err half as much as on the usual 0, +-1, +-2.
constexpr double a = std::numbers::sqrt2 / 2, b = std::numbers::sqrt2;

constexpr double kInput2[] = {1, 0, -1, 0, 0, 1, 1, 0, 0, -1, 1, 0, 0, 1, 0, -1};
constexpr double kOutput2[] = {1, 1, 1, 0, 0, 1, -1, -1};
constexpr double kWeight2[] = {1, 0, 0, 0.5, 0.5, 0.5, 0.5, -0.5, 0.5, 0, 0, 1};

constexpr double kInput4[] = {1, 0,      -2.5, 0,    1, 0,  //
                              0, -2 * a, -2,   a,    1, 0,  //
                              0, 2 * a,  -2,   -a,   1, 0,  //
                              0, -b / 2, -0.5, b,    1, 0,  //
                              0, b / 2,  -0.5, -b,   1, 0,  //
                              0, 1,      0,    -2.5, 0, 1};
constexpr double kOutput4[] = {1, 1,     1,      1,     1,      0,  //
                               0, a,     -a,     b,     -b,     0,  //
                               0, 0.5,   0.5,    2,     2,      0,  //
                               0, a / 2, -a / 2, 2 * b, -2 * b, 1};
// Rows of [1, x, x^2] / (the product of x's distances from the other points).
constexpr double kA = 2 * 0.5 * (0.5 - 2), kB = 2 * 2 * (2 - 0.5);
constexpr double kWeight4[] = {1,      0,       0,         //
                               1 / kA, a / kA,  0.5 / kA,  //
                               1 / kA, -a / kA, 0.5 / kA,  //
                               1 / kB, b / kB,  2 / kB,    //
                               1 / kB, -b / kB, 2 / kB,    //
                               0,      0,       1};

/// out = left in left^T, [rows, rows] of [columns, columns].
void sandwich(const double* left, int rows, int columns, const double* in, double* out) {
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < rows; ++j) {
      double sum = 0;
      for (int k = 0; k < columns; ++k)
        for (int l = 0; l < columns; ++l) sum += left[i * columns + k] * in[k * columns + l] * left[j * columns + l];
      out[i * rows + j] = sum;
    }
}

}  // namespace

const double* input_matrix(int m) { return m == 2 ? kInput2 : kInput4; }
const double* output_matrix(int m) { return m == 2 ? kOutput2 : kOutput4; }
const double* weight_matrix(int m) { return m == 2 ? kWeight2 : kWeight4; }

void transform_input_plain(int m, const InputTile& t) {
  double in[kMostProducts]{}, out[kMostProducts]{};
  for (int64_t c = 0; c < t.channels; ++c) {
    for (int p = 0; p < products(m); ++p) in[p] = static_cast<double>(t.pixels[p][c]);
    sandwich(input_matrix(m), edge(m), edge(m), in, out);
    for (int p = 0; p < products(m); ++p) t.out[p * t.plane + c] = static_cast<float>(out[p]);
  }
}

void transform_output_plain(int m, const OutputTile& t) {
  double in[kMostProducts]{}, out[kMostProducts]{};
  for (int64_t c = 0; c < t.channels; ++c) {
    for (int p = 0; p < products(m); ++p) in[p] = static_cast<double>(t.sums[p * t.plane + c]);
    sandwich(output_matrix(m), m, edge(m), in, out);
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
