#pragma once

#include "base/array.h"

namespace ingot {

/// Calls body(position, offset) for every element in row-major order: its number and its place in elements. For
/// printing, filling and tests; kernels have their own loops.
template <class Body>
void each_element(const Array& a, const Body& body) {
  const int64_t count = a.numel();
  std::array<int64_t, kMaxRank> index{};
  int64_t offset = 0;
  for (int64_t position = 0; position < count; ++position) {
    body(position, offset);
    for (int d = a.rank - 1; d >= 0; --d) {
      offset += a.strides[d];
      if (++index[d] < a.shape[d]) break;
      offset -= a.strides[d] * a.shape[d];
      index[d] = 0;
    }
  }
}

/// Calls body(T{}) with the C++ type of a dtype.
template <class Body>
auto with_type(DType dtype, const Body& body) {
  switch (dtype) {
    case DType::f32:
      return body(float{});
    case DType::f64:
      return body(double{});
    case DType::bf16:
      return body(bf16{});
    case DType::f16:
      return body(f16{});
    case DType::i64:
      return body(int64_t{});
    case DType::i32:
      return body(int32_t{});
    case DType::u8:
      return body(uint8_t{});
    case DType::i8:
      return body(int8_t{});
    case DType::boolean:
      break;
  }
  return body(bool{});
}

}  // namespace ingot
