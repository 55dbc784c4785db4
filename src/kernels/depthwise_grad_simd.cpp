#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/depthwise_grad_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

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

/// W results from the i-th on.
template <int K, int S, int U, int W, bool kWhole>
HWY_INLINE void add_results(const GradRow& r, int64_t c, int64_t i, Sums<K, U>& sums) {
  constexpr int kColumns = (W - 1) * S + K;
  const int64_t count = r.channels - c, begin = -(r.column + i * S), end = r.x_width + begin;
  V g[W];
  INGOT_UNROLL
  for (int w = 0; w < W; ++w) g[w] = read<kWhole>(r.g + (i + w) * r.g_pixel + c, count);
  const float* row = r.x + i * S * r.x_pixel + c;
  INGOT_UNROLL
  for (int u = 0; u < U; ++u, row += r.x_row) {
    const float* x = row;
    INGOT_UNROLL
    for (int j = 0; j < kColumns; ++j, x += r.x_pixel) {
      if (j < begin || j >= end) continue;
      const V pixel = read<kWhole>(x, count);
      INGOT_UNROLL
      for (int w = 0; w < W; ++w)
        if (j >= w * S && j < w * S + K) sums[u][j - w * S] = hn::MulAdd(pixel, g[w], sums[u][j - w * S]);
    }
  }
}

/// Fetches the next cache line of what add_results reads first.
template <int S, int U>
HWY_INLINE void fetch_results(const GradRow& r, int64_t c, int64_t i) {
  constexpr int64_t kLine = 16;
  INGOT_UNROLL
  for (int w = 0; w < kWidth; ++w) __builtin_prefetch(r.g + (i + w) * r.g_pixel + c + kLine);
  const float* x = r.x + (U - 1) * r.x_row + i * S * r.x_pixel + c + kLine;
  INGOT_UNROLL
  for (int j = 0; j < kWidth * S; ++j) __builtin_prefetch(x + j * r.x_pixel);
}

template <int K, int S, int U, bool kWhole>
HWY_INLINE void add_vector(const GradRow& r, int64_t c) {
  float* const memory = r.sums + c / kStrip * r.sums_strip + c % kStrip;
  Sums<K, U> sums;
  INGOT_UNROLL
  for (int u = 0; u < U; ++u) {
    INGOT_UNROLL
    for (int v = 0; v < K; ++v) sums[u][v] = load(memory + u * r.sums_row + v * kStrip);
  }
  int64_t i = 0;
  for (; i + kWidth <= r.width; i += kWidth) {
    if (c % kStrip == 0) fetch_results<S, U>(r, c, i);
    add_results<K, S, U, kWidth, kWhole>(r, c, i, sums);
  }
  for (; i < r.width; ++i) add_results<K, S, U, 1, kWhole>(r, c, i, sums);
  INGOT_UNROLL
  for (int u = 0; u < U; ++u) {
    INGOT_UNROLL
    for (int v = 0; v < K; ++v) store(sums[u][v], memory + u * r.sums_row + v * kStrip);
  }
}

template <int K, int S, int U>
void add(const GradRow& row) {
  const GradRow r = row;  // which stores of sums cannot change
  int64_t c = 0;
  for (; c + kLanes <= r.channels; c += kLanes) add_vector<K, S, U, true>(r, c);
  if (c < r.channels) add_vector<K, S, U, false>(r, c);
}

template <int S>
void add_strided(const GradRow& r) {
  if (r.taps == 3) return r.rows == 3 ? add<3, S, 3>(r) : r.rows == 2 ? add<3, S, 2>(r) : add<3, S, 1>(r);
  if (r.taps == 5) return r.rows == 2 ? add<5, S, 2>(r) : add<5, S, 1>(r);
  if constexpr (S == 1) add<7, 1, 1>(r);
}

void add_grad_row(const GradRow& r) { r.stride == 1 ? add_strided<1>(r) : add_strided<2>(r); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ingot::kernels::depthwise
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ingot::kernels::depthwise {

HWY_EXPORT(add_grad_row);

void add_grad_row(const GradRow& row) { INGOT_DISPATCH(add_grad_row)(row); }

}  // namespace ingot::kernels::depthwise
#endif
