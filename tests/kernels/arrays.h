#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <random>
#include <vector>

#include "base/array.h"
#include "ingot/threads.h"
#include "kernels/convert.h"
#include "kernels/dispatch.h"

namespace ingot {

inline const std::vector<int64_t> kOddSizes{1, 2, 3, 5, 7, 13, 17, 63, 64, 65, 1000};
inline const std::vector<DType> kFloats{DType::f32, DType::f64, DType::bf16};
inline const std::vector<DType> kIntegers{DType::i64, DType::i32, DType::u8, DType::i8};

/// How a test array lies in memory.
enum class Layout {
  row_major,
  channels_last,  // dimension 1 innermost, the others row-major
  transposed,     // the first dimension innermost
  sliced,         // a view with gaps: every second element of the last dimension, a hole after each row
  channel_slice,  // channels-last, one of the parts of a concat: as many channels as it has lie between its pixels
  broadcast,      // stride 0 in the first dimension (inputs only)
};
inline const std::vector<Layout> kLayouts{Layout::row_major, Layout::channels_last, Layout::transposed, Layout::sliced,
                                          Layout::channel_slice};
inline const std::vector<Layout> kInputLayouts{Layout::row_major, Layout::channels_last, Layout::transposed,
                                               Layout::sliced,    Layout::channel_slice, Layout::broadcast};

/// An array that owns its bytes, with guard bytes around it and in its gaps. Elements are read and written by their
/// row-major logical index, as doubles.
class TestArray {
 public:
  TestArray(DType dtype, std::vector<int64_t> shape, Layout layout = Layout::row_major) {
    array_.dtype = dtype;
    array_.rank = static_cast<int>(shape.size());
    std::copy(shape.begin(), shape.end(), array_.shape.begin());
    const int64_t span = set_strides(layout);
    bytes_.assign((static_cast<size_t>(span) + 2 * kGuard) * size_of(dtype), kGuardByte);
    array_.data = bytes_.data() + kGuard * size_of(dtype);
    for (int64_t i = 0; i < numel(); ++i) set(i, 0);
  }
  TestArray(const TestArray& other) { *this = other; }
  TestArray& operator=(const TestArray& other) {
    const auto offset = static_cast<const uint8_t*>(other.array_.data) - other.bytes_.data();
    bytes_ = other.bytes_;
    array_ = other.array_;
    array_.data = bytes_.data() + offset;
    return *this;
  }

  const Array& array() const { return array_; }
  operator const Array&() const { return array_; }
  int64_t numel() const { return array_.numel(); }
  DType dtype() const { return array_.dtype; }

  double operator[](int64_t logical) const {
    return visit_dtype(
        array_.dtype, [&]<class T>(std::type_identity<T>) { return convert<double>(array_.as<T>()[offset(logical)]); });
  }
  void set(int64_t logical, double value) {
    visit_dtype(array_.dtype,
                [&]<class T>(std::type_identity<T>) { array_.as<T>()[offset(logical)] = convert<T>(value); });
  }
  TestArray& fill_with(const std::function<double(int64_t)>& value) {
    for (int64_t i = 0; i < numel(); ++i) set(i, value(i));
    return *this;
  }
  /// Uniform in [low, high]; integers take whole numbers.
  TestArray& randomise(double low, double high, unsigned seed) {
    std::mt19937 generator(seed);
    std::uniform_real_distribution<double> uniform(low, high);
    return fill_with([&](int64_t) { return uniform(generator); });
  }
  std::vector<double> values() const {
    std::vector<double> all(static_cast<size_t>(numel()));
    for (int64_t i = 0; i < numel(); ++i) all[static_cast<size_t>(i)] = (*this)[i];
    return all;
  }
  const std::vector<uint8_t>& bytes() const { return bytes_; }

  /// Everything that is no element of the array still holds the guard byte.
  bool guards_intact() const {
    std::vector<bool> used(bytes_.size(), false);
    const auto start = static_cast<size_t>(array_.as<uint8_t>() - bytes_.data());
    const size_t size = size_of(array_.dtype);
    for (int64_t i = 0; i < numel(); ++i)
      for (size_t b = 0; b < size; ++b) used[start + static_cast<size_t>(offset(i)) * size + b] = true;
    for (size_t i = 0; i < bytes_.size(); ++i)
      if (!used[i] && bytes_[i] != kGuardByte) return false;
    return true;
  }

 private:
  static constexpr size_t kGuard = 64;  // elements
  static constexpr uint8_t kGuardByte = 0xa5;

  // Returns the elements from the first to the last, gaps included.
  int64_t set_strides(Layout layout) {
    std::vector<int> order;  // innermost first
    const int rank = array_.rank;
    for (int d = rank - 1; d >= 0; --d) order.push_back(d);
    if ((layout == Layout::channels_last || layout == Layout::channel_slice) && rank > 1) {
      std::erase(order, 1);
      order.insert(order.begin(), 1);
    }
    if (layout == Layout::transposed) std::reverse(order.begin(), order.end());
    int64_t stride = layout == Layout::sliced ? 2 : 1;
    for (size_t i = 0; i < order.size(); ++i) {
      array_.strides[order[i]] = stride;
      stride *= array_.shape[order[i]];
      if (layout == Layout::sliced) stride += 3;
      if (layout == Layout::channel_slice && i == 0) stride *= 2;
    }
    if (layout == Layout::broadcast && rank > 0) array_.strides[0] = 0;
    return stride;
  }
  int64_t offset(int64_t logical) const {
    int64_t at = 0;
    for (int d = array_.rank - 1; d >= 0; --d) {
      at += logical % array_.shape[d] * array_.strides[d];
      logical /= array_.shape[d];
    }
    return at;
  }

  Array array_;
  std::vector<uint8_t> bytes_;
};

/// Runs `body` with this many threads, then restores the count.
template <class Body>
void with_threads(int threads, Body&& body) {
  const int before = num_threads();
  set_num_threads(threads);
  body();
  set_num_threads(before);
}

/// The spacing of numbers of this type around `value`: half of it is the error of one rounding.
inline double ulp(DType dtype, double value) {
  const double magnitude = std::abs(value);
  const int digits = dtype == DType::f64 ? 53 : dtype == DType::bf16 ? 8 : dtype == DType::f16 ? 11 : 24;
  const double smallest = dtype == DType::f64 ? 0x1p-1074 : dtype == DType::bf16 ? 0x1p-133 : 0x1p-149;
  return std::max(smallest, std::ldexp(1.0, magnitude == 0 ? -1074 : std::ilogb(magnitude) - digits + 1));
}

/// Equal, both NaN, or within `ulps` of `expected`.
inline testing::AssertionResult close_in_ulps(double actual, double expected, DType dtype, double ulps) {
  if (std::isnan(expected) && std::isnan(actual)) return testing::AssertionSuccess();
  if (actual == expected) return testing::AssertionSuccess();
  if (std::abs(actual - expected) <= ulps * ulp(dtype, expected)) return testing::AssertionSuccess();
  return testing::AssertionFailure() << actual << " is not " << expected << ", off by "
                                     << std::abs(actual - expected) / ulp(dtype, expected) << " ulp of "
                                     << name_of(dtype);
}

}  // namespace ingot
