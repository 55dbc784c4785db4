#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>

#include "ingot/error.h"

namespace ingot {

/// A vector of at most N elements that lives in place: shapes and strides, a node's inputs.
template <class T, size_t N>
class FixedVector {
 public:
  FixedVector() = default;
  FixedVector(std::initializer_list<T> values) : FixedVector(std::span<const T>(values.begin(), values.size())) {}
  explicit FixedVector(std::span<const T> values) {
    for (const T& v : values) push_back(v);
  }
  explicit FixedVector(size_t count, const T& value = T()) { resize(count, value); }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* begin() { return items_.data(); }
  T* end() { return items_.data() + size_; }
  const T* begin() const { return items_.data(); }
  const T* end() const { return items_.data() + size_; }
  T* data() { return items_.data(); }
  const T* data() const { return items_.data(); }
  T& operator[](size_t i) { return items_[i]; }
  const T& operator[](size_t i) const { return items_[i]; }
  T& back() { return items_[size_ - 1]; }
  const T& back() const { return items_[size_ - 1]; }

  void push_back(T value) {
    if (size_ >= N) [[unlikely]]
      refuse();
    items_[size_++] = std::move(value);
  }
  void resize(size_t count, const T& value = T()) {
    if (count > N) [[unlikely]]
      refuse();
    std::fill(items_.begin() + std::min(size_, count), items_.begin() + std::max(size_, count),
              count > size_ ? value : T());
    size_ = count;
  }
  void insert(size_t at, T value) {
    push_back(std::move(value));
    std::rotate(begin() + at, end() - 1, end());
  }
  void erase(size_t at) {
    std::move(begin() + at + 1, end(), begin() + at);
    items_[--size_] = T();
  }
  bool operator==(const FixedVector& other) const { return std::equal(begin(), end(), other.begin(), other.end()); }
  operator std::span<const T>() const { return {begin(), size_}; }

 private:
  [[noreturn]] static void refuse() { throw Error("at most " + std::to_string(N) + " dimensions are supported"); }

  std::array<T, N> items_{};
  size_t size_ = 0;
};

}  // namespace ingot
