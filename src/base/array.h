#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>

#include "ingot/dtype.h"
#include "ingot/rank.h"

namespace ingot {

/// What kernels see of a tensor: a pointer, an element type, sizes and strides (in elements; 0 where broadcast).
/// It owns nothing. `data == nullptr` stands for an optional operand that is absent.
struct Array {
  void* data = nullptr;
  DType dtype = DType::f32;
  int rank = 0;
  std::array<int64_t, kMaxRank> shape, strides;  // only the first `rank` are set

  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
  explicit operator bool() const { return data != nullptr; }
  int64_t numel() const {
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= shape[i];
    return n;
  }
  bool same_shape(const Array& other) const {
    if (rank != other.rank) return false;
    for (int i = 0; i < rank; ++i)
      if (shape[i] != other.shape[i]) return false;
    return true;
  }
};

/// An array over `data` in row-major order.
inline Array row_major(void* data, DType dtype, std::initializer_list<int64_t> shape) {
  Array a{.data = data, .dtype = dtype, .rank = static_cast<int>(shape.size())};
  std::copy(shape.begin(), shape.end(), a.shape.begin());
  int64_t stride = 1;
  for (int i = a.rank - 1; i >= 0; --i) {
    a.strides[i] = stride;
    stride *= a.shape[i];
  }
  return a;
}

}  // namespace ingot
