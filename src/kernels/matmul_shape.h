#pragma once

#include "base/array.h"
#include "ingot/fixed_vector.h"

namespace ingot::kernels {

/// The last two dimensions swapped.
Array transposed(const Array& array);

/// A matrix inside a batched product: strides of rows and columns.
struct Matrix {
  void* data = nullptr;
  DType dtype = DType::f32;
  int64_t rows = 0, columns = 0, row_stride = 0, column_stride = 0;

  Matrix transposed() const { return {data, dtype, columns, rows, column_stride, row_stride}; }
};

/// One dimension of a batch; stride 0 where an operand is the same for all of it.
struct BatchDim {
  int64_t size, a, b, y;
};

/// A product with its batch dimensions merged as far as strides allow: adjacent ones into one, and into the rows of a
/// and y where b is the same for all.
struct Product {
  Matrix a, b, y;
  FixedVector<BatchDim, kMaxRank> batch;

  Product(const Array& a, const Array& b, const Array& y);
  int64_t batch_size() const;
  bool is_empty() const { return batch_size() == 0 || y.rows == 0 || y.columns == 0; }
  /// Offsets in elements of matrix `i` of the batch.
  BatchDim offsets(int64_t i) const;
  /// y^T = b^T a^T.
  Product transposed() const;
};

}  // namespace ingot::kernels
