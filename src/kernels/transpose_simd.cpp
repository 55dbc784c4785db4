#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/transpose_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>

#include "kernels/dispatch.h"
#include "kernels/transpose.h"

HWY_BEFORE_NAMESPACE();
namespace ingot::kernels {
namespace HWY_NAMESPACE {
namespace {

#if HWY_MAX_BYTES < 32
constexpr int64_t kSquare = 4;

// In the compiler's portable vectors.
void transpose_square(const uint32_t* x, int64_t x_stride, uint32_t* y, int64_t y_stride) {
  typedef uint32_t Vec __attribute__((vector_size(16)));
  Vec in[4];
  for (int i = 0; i < 4; ++i) std::memcpy(&in[i], x + i * x_stride, sizeof(Vec));
  const Vec low01 = __builtin_shufflevector(in[0], in[1], 0, 4, 1, 5);
  const Vec high01 = __builtin_shufflevector(in[0], in[1], 2, 6, 3, 7);
  const Vec low23 = __builtin_shufflevector(in[2], in[3], 0, 4, 1, 5);
  const Vec high23 = __builtin_shufflevector(in[2], in[3], 2, 6, 3, 7);
  const Vec out[4] = {
      __builtin_shufflevector(low01, low23, 0, 1, 4, 5), __builtin_shufflevector(low01, low23, 2, 3, 6, 7),
      __builtin_shufflevector(high01, high23, 0, 1, 4, 5), __builtin_shufflevector(high01, high23, 2, 3, 6, 7)};
  for (int r = 0; r < 4; ++r) std::memcpy(y + r * y_stride, &out[r], sizeof(Vec));
}
#else
namespace hn = hwy::HWY_NAMESPACE;
constexpr int64_t kSquare = 8;

// Four columns at a time of rows i and i + 4 side by side, so that nothing crosses the halves of a vector.
HWY_INLINE void transpose_half(const uint32_t* x, int64_t x_stride, uint32_t* y, int64_t y_stride) {
  const hn::FixedTag<uint32_t, 8> d;
  const hn::Half<decltype(d)> half;
  const hn::RepartitionToWide<decltype(d)> pairs;
  const auto rows = [&](int i) HWY_ATTR {
    return hn::Combine(d, hn::LoadU(half, x + (i + 4) * x_stride), hn::LoadU(half, x + i * x_stride));
  };
  const auto a = rows(0), b = rows(1), c = rows(2), e = rows(3);
  const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(d, a, b));
  const auto high01 = hn::BitCast(pairs, hn::InterleaveUpper(d, a, b));
  const auto low23 = hn::BitCast(pairs, hn::InterleaveLower(d, c, e));
  const auto high23 = hn::BitCast(pairs, hn::InterleaveUpper(d, c, e));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, low01, low23)), d, y);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, low01, low23)), d, y + y_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, high01, high23)), d, y + 2 * y_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, high01, high23)), d, y + 3 * y_stride);
}

HWY_INLINE void transpose_square(const uint32_t* x, int64_t x_stride, uint32_t* y, int64_t y_stride) {
  transpose_half(x, x_stride, y, y_stride);
  transpose_half(x + 4, x_stride, y + 4 * y_stride, y_stride);
}
#endif

void transpose_singly(const uint32_t* x, int64_t x_stride, uint32_t* y, int64_t y_stride, int64_t rows, int64_t count) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < count; ++i) y[r * y_stride + i] = x[i * x_stride + r];
}

// A tile is a cache line of either.
void transpose_32(const void* from, int64_t x_stride, void* to, int64_t y_stride, int64_t rows, int64_t count) {
  constexpr int64_t kTile = 16;
  const auto* const x = static_cast<const uint32_t*>(from);
  auto* const y = static_cast<uint32_t*>(to);
  const int64_t whole_rows = rows / kSquare * kSquare, whole_count = count / kSquare * kSquare;
  for (int64_t i = 0; i < whole_count; i += kTile)
    for (int64_t r = 0; r < whole_rows; r += kTile)
      for (int64_t a = r; a < std::min(r + kTile, whole_rows); a += kSquare)
        for (int64_t b = i; b < std::min(i + kTile, whole_count); b += kSquare)
          transpose_square(x + b * x_stride + a, x_stride, y + a * y_stride + b, y_stride);
  transpose_singly(x + whole_rows, x_stride, y + whole_rows * y_stride, y_stride, rows - whole_rows, count);
  transpose_singly(x + whole_count * x_stride, x_stride, y + whole_count, y_stride, whole_rows, count - whole_count);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ingot::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ingot::kernels {

HWY_EXPORT(transpose_32);

void transpose_32(const void* x, int64_t x_stride, void* y, int64_t y_stride, int64_t rows, int64_t count) {
  INGOT_DISPATCH(transpose_32)(x, x_stride, y, y_stride, rows, count);
}

}  // namespace ingot::kernels
#endif
