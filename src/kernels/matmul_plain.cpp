#include "kernels/matmul_plain.h"

#include <algorithm>
#include <tuple>
#include <vector>

#include "base/check.h"
#include "base/parallel.h"
#include "kernels/matmul.h"

namespace ingot::kernels {
namespace {

template <class T>
double bias_at(const Array& bias, int64_t n) {
  return bias ? double(bias.as<T>()[n * bias.strides[0]]) : 0.0;
}

template <class T>
void plain(const Product& p, const Array& bias) {
  const auto& [a, b, y] = std::tie(p.a, p.b, p.y);
  constexpr int64_t kGrain = 1 << 14;  // products that are worth a thread
  parallel_for(p.batch_size() * y.rows, kGrain / (y.columns * a.columns + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto at = p.offsets(i / y.rows);
      const int64_t m = i % y.rows;
      const T* row = static_cast<const T*>(a.data) + at.a + m * a.row_stride;
      for (int64_t n = 0; n < y.columns; ++n) {
        const T* column = static_cast<const T*>(b.data) + at.b + n * b.column_stride;
        double sum = bias_at<T>(bias, n);
        for (int64_t k = 0; k < a.columns; ++k)
          sum += double(row[k * a.column_stride]) * double(column[k * b.row_stride]);
        static_cast<T*>(y.data)[at.y + m * y.row_stride + n * y.column_stride] = T(sum);
      }
    }
  });
}

constexpr int64_t kTileRows = 4, kTileColumns = 8, kBlockRows = 64;

// Columns [n0, n0 + kTileColumns) of b, zero past its end, one row of b after another.
void pack_panel(const Product& p, int64_t offset, int64_t n0, std::vector<double>& panel) {
  const double* b = static_cast<const double*>(p.b.data) + offset;
  const int64_t columns = std::min(kTileColumns, p.y.columns - n0);
  panel.assign(p.b.rows * kTileColumns, 0.0);
  for (int64_t k = 0; k < p.b.rows; ++k)
    for (int64_t n = 0; n < columns; ++n)
      panel[k * kTileColumns + n] = b[k * p.b.row_stride + (n0 + n) * p.b.column_stride];
}

// Rows [m, m + rows) of y by the panel's columns.
void tile(const Product& p, const BatchDim& at, int64_t m, int64_t rows, int64_t n0, const double* panel,
          const Array& bias) {
  const int64_t columns = std::min(kTileColumns, p.y.columns - n0);
  double sums[kTileRows][kTileColumns] = {};
  const double* a[kTileRows];
  for (int64_t r = 0; r < kTileRows; ++r)  // rows past the end repeat the last
    a[r] = static_cast<const double*>(p.a.data) + at.a + (m + std::min(r, rows - 1)) * p.a.row_stride;
  for (int64_t k = 0; k < p.a.columns; ++k, panel += kTileColumns)
    for (int64_t r = 0; r < kTileRows; ++r) {
      const double factor = a[r][k * p.a.column_stride];
      for (int64_t n = 0; n < kTileColumns; ++n) sums[r][n] += factor * panel[n];
    }
  double* y = static_cast<double*>(p.y.data) + at.y;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t n = 0; n < columns; ++n)
      y[(m + r) * p.y.row_stride + (n0 + n) * p.y.column_stride] = sums[r][n] + bias_at<double>(bias, n0 + n);
}

}  // namespace

void matmul_plain(const Product& product, const Array& bias) {
  switch (product.y.dtype) {
    case DType::f32:
      return plain<float>(product, bias);
    case DType::f64:
      return plain<double>(product, bias);
    case DType::bf16:
      return plain<bf16>(product, bias);
    default:
      fail("matmul takes f32, f64 or bf16, not {}", name_of(product.y.dtype));
  }
}

void matmul_tiled(const Product& p, const Array& bias) {
  const int64_t panels = (p.y.columns + kTileColumns - 1) / kTileColumns;
  const int64_t blocks = (p.y.rows + kBlockRows - 1) / kBlockRows;
  parallel_for(p.batch_size() * panels * blocks, 1, [&](int64_t begin, int64_t end) {
    std::vector<double> panel;
    for (int64_t task = begin; task < end; ++task) {
      const auto at = p.offsets(task / (panels * blocks));
      const int64_t n0 = task / blocks % panels * kTileColumns, m0 = task % blocks * kBlockRows;
      if (task == begin || task % blocks == 0) pack_panel(p, at.b, n0, panel);
      const int64_t last = std::min(m0 + kBlockRows, p.y.rows);
      for (int64_t m = m0; m < last; m += kTileRows)
        tile(p, at, m, std::min(kTileRows, last - m), n0, panel.data(), bias);
    }
  });
}

void matmul_reference(const Array& a, const Array& b, const Array& bias, const Array& y) {
  matmul_plain(Product(a, b, y), bias);
}

}  // namespace ingot::kernels
