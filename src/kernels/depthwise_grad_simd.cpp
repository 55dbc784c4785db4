#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/depthwise_grad_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>

#include "kernels/depthwise_kernels.h"
#include "kernels/dispatch.h"
#include "kernels/load-inl.h"
#include "kernels/unroll.h"

HWY_BEFORE_NAMESPACE();
namespace ingot::kernels::depthwise {
namespace HWY_NAMESPACE {
namespace {

using namespace kernels::HWY_NAMESPACE;

constexpr int64_t kLanes = hn::MaxLanes(F32());
constexpr int kWidth = 4;  // results whose gradients wait in registers

template <int K, int U>
using Sums = V[U][K];

/// A vector of channels: all lanes, or the last few.
template <bool kWhole>
HWY_INLINE V read(const float* p, int64_t count) {
  return kWhole ? load(p) : load_part(p, count);
}

/// W results of a row from the i-th on; g and x point at the first.
template <int K, int S, int U, int W, bool kWhole>
HWY_INLINE void add_results(const GradRows& r, int64_t count, int64_t i, const float* g, const float* x,
                            Sums<K, U>& sums) {
  constexpr int kColumns = (W - 1) * S + K;
  const int64_t begin = -(r.column + i * S), end = r.x_width + begin;
  V gradients[W];
  INGOT_UNROLL
  for (int w = 0; w < W; ++w) gradients[w] = read<kWhole>(g + w * r.g_pixel, count);
  INGOT_UNROLL
  for (int u = 0; u < U; ++u) {
    const float* const row = x + u * r.x_row;
    INGOT_UNROLL
    for (int j = 0; j < kColumns; ++j) {
      // Of columns further inside a result would lie outside.
      if ((j < K - 1 && j < begin) || (j > kColumns - K && j >= end)) continue;
      const V pixel = read<kWhole>(row + j * r.x_pixel, count);
      INGOT_UNROLL
      for (int w = 0; w < W; ++w)
        if (j >= w * S && j < w * S + K) sums[u][j - w * S] = hn::MulAdd(pixel, gradients[w], sums[u][j - w * S]);
    }
  }
}

/// Fetches the next cache line of what add_results reads first.
template <int S, int U, int W>
HWY_INLINE void fetch_results(const GradRows& r, const float* g, const float* x) {
  constexpr int64_t kLine = 16;
  INGOT_UNROLL
  for (int w = 0; w < W; ++w) __builtin_prefetch(g + w * r.g_pixel + kLine);
  INGOT_UNROLL
  for (int u = std::max(0, U - S); u < U; ++u) {
    const float* const row = x + u * r.x_row + kLine;
    INGOT_UNROLL
    for (int j = 0; j < W * S; ++j) __builtin_prefetch(row + j * r.x_pixel);
  }
}

template <int K, int S, int U, int W, bool kWhole>
HWY_INLINE void fetch_and_add(const GradRows& r, int64_t c, int64_t i, const float* g, const float* x,
                              Sums<K, U>& sums) {
  if (c % kStrip == 0) fetch_results<S, U, W>(r, g, x);
  add_results<K, S, U, W, kWhole>(r, r.channels - c, i, g, x, sums);
}

template <int K, int S, int U, bool kWhole>
HWY_INLINE void add_row(const GradRows& r, int64_t c, const float* g, const float* x, Sums<K, U>& sums) {
  const int64_t g_step = kWidth * r.g_pixel, x_step = kWidth * S * r.x_pixel;
  int64_t i = 0;
  for (; i + kWidth <= r.width; i += kWidth, g += g_step, x += x_step)
    fetch_and_add<K, S, U, kWidth, kWhole>(r, c, i, g, x, sums);
  static_assert(kWidth == 4);
  const int64_t rest = r.width - i;
  if (rest == 3) fetch_and_add<K, S, U, 3, kWhole>(r, c, i, g, x, sums);
  if (rest == 2) fetch_and_add<K, S, U, 2, kWhole>(r, c, i, g, x, sums);
  if (rest == 1) fetch_and_add<K, S, U, 1, kWhole>(r, c, i, g, x, sums);
}

template <int K, int S, int U, bool kWhole>
HWY_INLINE void add_vector(const GradRows& r, int64_t c) {
  float* const memory = r.sums + c / kStrip * r.sums_strip + c % kStrip;
  Sums<K, U> sums;
  INGOT_UNROLL
  for (int u = 0; u < U; ++u) {
    INGOT_UNROLL
    for (int v = 0; v < K; ++v) sums[u][v] = load(memory + u * r.sums_row + v * kStrip);
  }
  const float *g = r.g + c, *x = r.x + c;
  for (int64_t row = 0; row < r.count; ++row, g += r.g_row, x += r.x_step) add_row<K, S, U, kWhole>(r, c, g, x, sums);
  INGOT_UNROLL
  for (int u = 0; u < U; ++u) {
    INGOT_UNROLL
    for (int v = 0; v < K; ++v) store(sums[u][v], memory + u * r.sums_row + v * kStrip);
  }
}

template <int K, int S, int U>
void add(const GradRows& rows) {
  const GradRows r = rows;  // which stores of sums cannot change
  int64_t c = 0;
  for (; c + kLanes <= r.channels; c += kLanes) add_vector<K, S, U, true>(r, c);
  if (c < r.channels) add_vector<K, S, U, false>(r, c);
}

template <int S>
void add_strided(const GradRows& r) {
  if (r.taps == 3) return r.rows == 3 ? add<3, S, 3>(r) : r.rows == 2 ? add<3, S, 2>(r) : add<3, S, 1>(r);
  if (r.taps == 5) return r.rows == 2 ? add<5, S, 2>(r) : add<5, S, 1>(r);
  if constexpr (S == 1) add<7, 1, 1>(r);
}

void add_grad_rows(const GradRows& r) { r.stride == 1 ? add_strided<1>(r) : add_strided<2>(r); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ingot::kernels::depthwise
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ingot::kernels::depthwise {

HWY_EXPORT(add_grad_rows);

void add_grad_rows(const GradRows& rows) { INGOT_DISPATCH(add_grad_rows)(rows); }

}  // namespace ingot::kernels::depthwise
#endif
