#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/outer_products_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <utility>

#include "kernels/dispatch.h"
#include "kernels/outer_products.h"
#include "kernels/tile-inl.h"
#include "kernels/unroll.h"

HWY_BEFORE_NAMESPACE();
namespace ingot::kernels::outer {
namespace HWY_NAMESPACE {
namespace {

using namespace kernels::HWY_NAMESPACE;

// Whole: of kVectors vectors, as all but the last strip of a result are.
template <int R, bool kWhole>
HWY_INLINE void add_sums(const V (&sums)[R][kVectors], const Block& b) {
  INGOT_UNROLL
  for (int r = 0; r < R; ++r) {
    INGOT_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      float* const at = b.sums + r * b.sums_stride + v * kLanes;
      const int64_t count = b.columns - v * kLanes;
      if (!kWhole && count <= 0) continue;
      V sum = sums[r][v];
      if (!b.first) sum = hn::Add(sum, kWhole ? load(at) : read_some(at, count));
      kWhole ? store(sum, at) : write_some(sum, at, count);
    }
  }
}

constexpr int64_t kUnrolled = 4;

template <int R>
HWY_INLINE void add_products(Sums<R>& sums, const float* a, const float* b) {
  const V b0 = load(b), b1 = load(b + kLanes);
  INGOT_UNROLL
  for (int r = 0; r < R; ++r) add_row_products(sums[r], a + r, b0, b1);
}

template <int R, bool kWhole>
void run(const Block& block) {
  for (int r = 0; r < R; ++r) __builtin_prefetch(block.sums + r * block.sums_stride, 1);
  Ahead ahead = block.ahead == nullptr ? Ahead({.data = block.a.data}) : *block.ahead;  // a copy stays in registers
  Sums<R> sums;
  INGOT_UNROLL
  for (int r = 0; r < R; ++r) sums[r][0] = sums[r][1] = hn::Zero(F32());
  const int64_t a_step = block.a.step, b_step = block.b.step;
  for (int64_t p = 0; p < block.planes; ++p)
    for (int64_t y = 0; y < block.rows; ++y) {
      const float* a = block.a.data + p * block.a.plane + y * block.a.row;
      const float* b = block.b.data + p * block.b.plane + y * block.b.row;
      int64_t i = 0;
      for (; i + kUnrolled <= block.length; i += kUnrolled) {
        __builtin_prefetch(ahead.next());
        INGOT_UNROLL
        for (int64_t j = 0; j < kUnrolled; ++j, a += a_step, b += b_step) add_products<R>(sums, a, b);
      }
      for (; i < block.length; ++i, a += a_step, b += b_step) add_products<R>(sums, a, b);
    }
  if (block.ahead != nullptr) *block.ahead = ahead;
  add_sums<R, kWhole>(sums, block);
}

template <bool kWhole, int... kRowsLess1>
void run_rows(int rows, const Block& block, std::integer_sequence<int, kRowsLess1...>) {
  static constexpr void (*kRuns[])(const Block&) = {run<kRowsLess1 + 1, kWhole>...};
  kRuns[rows - 1](block);
}

void run_block(int rows, const Block& block) {
  constexpr auto kAll = std::make_integer_sequence<int, kRows>();
  block.columns == kVectors* kLanes ? run_rows<true>(rows, block, kAll) : run_rows<false>(rows, block, kAll);
}

/// `count` channels of one pixel and zeros.
void copy_last_strip(const float* from, int64_t count, int64_t width, float* to) {
  for (int64_t at = 0; at < width; at += kLanes) {
    const int64_t left = count - at;
    write_some(left > 0 ? read_some(from + at, left) : hn::Zero(F32()), to + at, width - at);
  }
}

void copy_strips(const Pixels& p, int64_t width, int64_t strip, float* to) {
  const int64_t whole = width % kLanes == 0 ? p.channels / width * width : 0;
  const float* from = p.data;
  for (int64_t i = 0; i < p.count; ++i, from += p.step, to += width) {
    float* out = to;
    int64_t c = 0;
    for (; c < whole; c += width, out += strip)
      for (int64_t at = 0; at < width; at += kLanes) store(load(from + c + at), out + at);
    for (; c < p.channels; c += width, out += strip) copy_last_strip(from + c, p.channels - c, width, out);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ingot::kernels::outer
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ingot::kernels::outer {

HWY_EXPORT(run_block);
HWY_EXPORT(copy_strips);

void run_block(int rows, const Block& block) { INGOT_DISPATCH(run_block)(rows, block); }
void copy_strips(const Pixels& pixels, int64_t width, int64_t strip, float* to) {
  INGOT_DISPATCH(copy_strips)(pixels, width, strip, to);
}

}  // namespace ingot::kernels::outer
#endif
