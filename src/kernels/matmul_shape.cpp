#include "kernels/matmul_shape.h"

#include <utility>

namespace ingot::kernels {
namespace {

Matrix matrix_of(const Array& array) {
  const int r = array.rank - 2, c = array.rank - 1;
  return {array.data, array.dtype, array.shape[r], array.shape[c], array.strides[r], array.strides[c]};
}

// The stride of `array` along dimension d of a result of rank `rank`, 0 where it is broadcast.
int64_t batch_stride(const Array& array, int rank, int d) {
  const int own = d - (rank - array.rank);
  return own < 0 || array.shape[own] == 1 ? 0 : array.strides[own];
}

bool steps_over(const BatchDim& outer, const BatchDim& inner) {
  return outer.a == inner.a * inner.size && outer.b == inner.b * inner.size && outer.y == inner.y * inner.size;
}

}  // namespace

Array transposed(const Array& array) {
  Array other = array;
  std::swap(other.shape[array.rank - 1], other.shape[array.rank - 2]);
  std::swap(other.strides[array.rank - 1], other.strides[array.rank - 2]);
  return other;
}

Product::Product(const Array& a_array, const Array& b_array, const Array& y_array)
    : a(matrix_of(a_array)), b(matrix_of(b_array)), y(matrix_of(y_array)) {
  const int rank = y_array.rank;
  for (int d = 0; d < rank - 2; ++d) {
    const BatchDim dim{y_array.shape[d], batch_stride(a_array, rank, d), batch_stride(b_array, rank, d),
                       y_array.strides[d]};
    if (dim.size == 1) continue;
    if (!batch.empty() && steps_over(batch.back(), dim))
      batch.back() = {batch.back().size * dim.size, dim.a, dim.b, dim.y};
    else
      batch.push_back(dim);
  }
  if (batch.empty()) return;
  const BatchDim& last = batch.back();
  if (last.b != 0 || last.a != a.rows * a.row_stride || last.y != y.rows * y.row_stride) return;
  a.rows *= last.size;
  y.rows *= last.size;
  batch.erase(batch.size() - 1);
}

int64_t Product::batch_size() const {
  int64_t size = 1;
  for (const BatchDim& dim : batch) size *= dim.size;
  return size;
}

BatchDim Product::offsets(int64_t i) const {
  BatchDim at{i, 0, 0, 0};
  for (size_t d = batch.size(); d-- > 0;) {
    const int64_t k = i % batch[d].size;
    i /= batch[d].size;
    at.a += k * batch[d].a;
    at.b += k * batch[d].b;
    at.y += k * batch[d].y;
  }
  return at;
}

Product Product::transposed() const {
  Product other = *this;
  other.a = b.transposed();
  other.b = a.transposed();
  other.y = y.transposed();
  for (BatchDim& dim : other.batch) std::swap(dim.a, dim.b);
  return other;
}

}  // namespace ingot::kernels
