#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/depthwise_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <array>
#include <utility>

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

/// A vector of channels: all lanes, or the last few.
template <bool kWhole>
HWY_INLINE V read(const float* p, int64_t count) {
  return kWhole ? load(p) : load_part(p, count);
}

template <int W, bool kWhole>
HWY_INLINE void start_sums(const Tile& t, int64_t c, V (&sums)[W]) {
  const V bias = t.bias == nullptr ? hn::Zero(F32()) : read<kWhole>(t.bias + c, t.channels - c);
  INGOT_UNROLL
  for (int i = 0; i < W; ++i) sums[i] = bias;
}

template <int W, bool kWhole>
HWY_INLINE void write_results(const Tile& t, int64_t c, const V (&sums)[W]) {
  const int64_t count = t.channels - c;
  const V low = hn::Set(F32(), t.low), high = hn::Set(F32(), t.high);
  float* out = t.out + c;
  const float* residual = t.residual + (t.residual == nullptr ? 0 : c);
  INGOT_UNROLL
  for (int i = 0; i < W; ++i, out += t.out_pixel) {
    V y = sums[i];
    if (residual != nullptr) {
      y = hn::Add(y, read<kWhole>(residual, count));
      residual += t.residual_pixel;
    }
    y = clip(y, low, high);
    kWhole ? store(y, out) : store_part(y, out, count);
  }
}

/// K taps at a distance of 1, results S columns apart: each column is loaded once a row.
template <int K, int S>
struct Window {
  template <int W, bool kWhole>
  static HWY_INLINE void add_rows(const Tile& t, int64_t c, V (&sums)[W]) {
    constexpr int kColumns = (W - 1) * S + K;
    const float* row = t.x + c;
    const float* weights = t.weights + c / kStrip * t.weight_strip + c % kStrip;
    for (int u = 0; u < t.rows; ++u, row += t.x_row, weights += t.weight_row) {
      V taps[K];
      INGOT_UNROLL
      for (int v = 0; v < K; ++v) taps[v] = load(weights + v * kStrip);
      const float* x = row;
      INGOT_UNROLL
      for (int j = 0; j < kColumns; ++j, x += t.x_pixel) {
        // Of columns further inside a result would lie outside.
        if ((j < K - 1 && j < t.begin) || (j > kColumns - K && j >= t.end)) continue;
        const V pixel = read<kWhole>(x, t.channels - c);
        INGOT_UNROLL
        for (int i = 0; i < W; ++i)
          if (j >= i * S && j < i * S + K) sums[i] = hn::MulAdd(pixel, taps[j - i * S], sums[i]);
      }
    }
  }
};

/// Any number of taps at any distance.
struct AnyWindow {
  template <int W, bool kWhole>
  static HWY_INLINE void add_rows(const Tile& t, int64_t c, V (&sums)[W]) {
    const float* row = t.x + c;
    const float* weights = t.weights + c / kStrip * t.weight_strip + c % kStrip;
    const int64_t step = t.stride * t.x_pixel;
    for (int u = 0; u < t.rows; ++u, row += t.x_row, weights += t.weight_row) {
      const float* column = row;
      for (int v = 0; v < t.taps; ++v, column += t.dilation * t.x_pixel) {
        const V tap = load(weights + v * kStrip);
        const float* x = column;
        INGOT_UNROLL
        for (int i = 0; i < W; ++i, x += step) sums[i] = hn::MulAdd(read<kWhole>(x, t.channels - c), tap, sums[i]);
      }
    }
  }
};

template <class Windows, int W, bool kWhole>
HWY_INLINE void run_vector(const Tile& t, int64_t c) {
  V sums[W];
  start_sums<W, kWhole>(t, c, sums);
  Windows::template add_rows<W, kWhole>(t, c, sums);
  write_results<W, kWhole>(t, c, sums);
}

template <class Windows, int W>
void run(const Tile& t) {
  int64_t c = 0;
  for (; c + kLanes <= t.channels; c += kLanes) run_vector<Windows, W, true>(t, c);
  if (c < t.channels) run_vector<Windows, W, false>(t, c);
}

using Run = void (*)(const Tile&);
template <class Windows, int... kWidths>
constexpr std::array<Run, sizeof...(kWidths)> runs(std::integer_sequence<int, kWidths...>) {
  return {run<Windows, kWidths + 1>...};
}
template <class Windows>
void run_width(const Tile& t) {
  static constexpr auto kRuns = runs<Windows>(std::make_integer_sequence<int, kMostWidth>());
  kRuns[static_cast<size_t>(t.width - 1)](t);
}

void run_tile(const Tile& t) {
  if (!has_tile_kernel(t.taps, t.stride, t.dilation)) return run_width<AnyWindow>(t);
  if (t.stride == 2) return t.taps == 3 ? run_width<Window<3, 2>>(t) : run_width<Window<5, 2>>(t);
  switch (t.taps) {
    case 1:
      return run_width<Window<1, 1>>(t);
    case 2:
      return run_width<Window<2, 1>>(t);
    case 3:
      return run_width<Window<3, 1>>(t);
    case 5:
      return run_width<Window<5, 1>>(t);
    default:
      return run_width<Window<7, 1>>(t);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ingot::kernels::depthwise
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ingot::kernels::depthwise {

HWY_EXPORT(run_tile);

void run_tile(const Tile& tile) { INGOT_DISPATCH(run_tile)(tile); }

}  // namespace ingot::kernels::depthwise
#endif
