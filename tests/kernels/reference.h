#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <random>
#include <vector>

#include "base/array.h"
#include "base/check.h"

namespace ingot::kernels {

/// Where an array's elements lie.
enum class Layout { channels_last, row_major, channel_slice, transposed };

inline const char* name_of(Layout layout) {
  constexpr const char* kNames[] = {"channels_last", "row_major", "channel_slice", "transposed"};
  return kNames[static_cast<int>(layout)];
}

/// An array that owns its memory, with guard bytes wherever the array has no element.
class Box {
 public:
  Box(DType dtype, std::vector<int64_t> shape, Layout layout = Layout::row_major) {
    array_.dtype = dtype;
    array_.rank = static_cast<int>(shape.size());
    std::copy(shape.begin(), shape.end(), array_.shape.begin());
    int64_t stride = 1;
    for (const int d : order(layout)) {
      array_.strides[d] = stride;
      // A slice is one of a concat whose channels are 3 more.
      stride *= shape[d] + (layout == Layout::channel_slice && d == (array_.rank == 4 ? 1 : array_.rank - 1) ? 3 : 0);
    }
    bytes_.assign((stride + 2 * kGuard) * size_of(dtype), std::byte{kGuardByte});
    array_.data = bytes_.data() + kGuard * size_of(dtype);
  }
  Box(const Box&) = delete;
  Box(Box&& other) = default;

  const Array& array() const { return array_; }
  operator const Array&() const { return array_; }

  /// f(place, value): calls it for each element's address, in row-major order.
  void each(const std::function<void(std::byte*)>& f) const {
    std::array<int64_t, kMaxRank> at{};
    for (int64_t i = 0; i < array_.numel(); ++i) {
      int64_t offset = 0;
      for (int d = 0; d < array_.rank; ++d) offset += at[d] * array_.strides[d];
      f(array_.as<std::byte>() + offset * static_cast<int64_t>(size_of(array_.dtype)));
      for (int d = array_.rank - 1; d >= 0 && ++at[d] == array_.shape[d]; --d) at[d] = 0;
    }
  }
  Box& fill(const std::function<double()>& next) {
    each([&](std::byte* p) { store(p, next()); });
    return *this;
  }
  Box& randomize(unsigned seed) {
    std::mt19937 engine(seed);
    std::normal_distribution<double> normal;
    return fill([&] { return normal(engine); });
  }
  std::vector<double> values() const {
    std::vector<double> values;
    each([&](std::byte* p) { values.push_back(load(p)); });
    return values;
  }
  /// Sets from values in row-major order.
  Box& assign(const std::vector<double>& values) {
    size_t i = 0;
    return fill([&] { return values[i++]; });
  }
  /// Whether every byte outside the elements is as it was.
  bool guards_hold() const {
    std::vector<std::byte> copy = bytes_;
    each([&](std::byte* p) { std::memset(copy.data() + (p - bytes_.data()), kGuardByte, size_of(array_.dtype)); });
    return std::all_of(copy.begin(), copy.end(), [](std::byte b) { return b == std::byte{kGuardByte}; });
  }

 private:
  static constexpr int64_t kGuard = 67;  // odd: the data is aligned to its own type only
  static constexpr unsigned char kGuardByte = 0xA5;

  std::vector<int> order(Layout layout) const {
    std::vector<int> order;
    for (int d = array_.rank - 1; d >= 0; --d) order.push_back(d);
    if (array_.rank == 4 && (layout == Layout::channels_last || layout == Layout::channel_slice)) order = {1, 3, 2, 0};
    if (layout == Layout::transposed) std::reverse(order.begin(), order.end());
    return order;
  }
  double load(const std::byte* p) const {
    switch (array_.dtype) {
      case DType::f32:
        return *reinterpret_cast<const float*>(p);
      case DType::f64:
        return *reinterpret_cast<const double*>(p);
      case DType::bf16:
        return *reinterpret_cast<const bf16*>(p);
      case DType::i64:
        return static_cast<double>(*reinterpret_cast<const int64_t*>(p));
      case DType::i32:
        return *reinterpret_cast<const int32_t*>(p);
      default:
        fail("no such test array");
    }
  }
  void store(std::byte* p, double v) {
    switch (array_.dtype) {
      case DType::f32:
        *reinterpret_cast<float*>(p) = static_cast<float>(v);
        return;
      case DType::f64:
        *reinterpret_cast<double*>(p) = v;
        return;
      case DType::bf16:
        *reinterpret_cast<bf16*>(p) = bf16(static_cast<float>(v));
        return;
      case DType::i64:
        *reinterpret_cast<int64_t*>(p) = static_cast<int64_t>(v);
        return;
      case DType::i32:
        *reinterpret_cast<int32_t*>(p) = static_cast<int32_t>(v);
        return;
      default:
        fail("no such test array");
    }
  }

  Array array_;
  std::vector<std::byte> bytes_;
};

inline double epsilon(DType dtype) { return dtype == DType::bf16 ? 0x1p-8 : dtype == DType::f32 ? 0x1p-23 : 0x1p-52; }

/// Two results of sums of `terms` products of standard normal numbers. They may differ by 2 eps(dtype) of the value,
/// from its last roundings, and by 2 sqrt(terms) eps(f32) (f64: its own) of a typical sum, which is sqrt(terms): ten
/// standard deviations of the error of a sum in sequence.
inline void expect_close(const Box& got, const Box& want, double terms) {
  const double sum_eps = got.array().dtype == DType::f64 ? epsilon(DType::f64) : epsilon(DType::f32);
  const double last = epsilon(got.array().dtype);
  const auto a = got.values(), b = want.values();
  ASSERT_EQ(a.size(), b.size());
  int shown = 0;
  for (size_t i = 0; i < a.size() && shown < 3; ++i) {
    const double bound = 2 * last * std::abs(b[i]) + 2 * std::sqrt(terms) * sum_eps * std::sqrt(terms);
    if (std::abs(a[i] - b[i]) <= bound) continue;
    ADD_FAILURE() << "element " << i << ": " << a[i] << ", expected " << b[i] << " within " << bound;
    ++shown;
  }
  EXPECT_TRUE(got.guards_hold()) << "bytes outside the result were written";
}

/// Memory for a kernel's scratch with a guard behind its end.
class GuardedScratch {
 public:
  explicit GuardedScratch(size_t bytes) : bytes_(bytes), memory_(bytes + 128, std::byte{kFill}) {}
  void* data() {
    const auto address = reinterpret_cast<uintptr_t>(memory_.data());
    return memory_.data() + (64 - address % 64) % 64;
  }
  bool guard_holds() {
    const auto* end = static_cast<std::byte*>(data()) + bytes_;
    return std::all_of(end, static_cast<const std::byte*>(memory_.data() + memory_.size()),
                       [](std::byte b) { return b == std::byte{kFill}; });
  }

 private:
  static constexpr unsigned char kFill = 0xFF;  // NaN in every float type
  size_t bytes_;
  std::vector<std::byte> memory_;
};

}  // namespace ingot::kernels
