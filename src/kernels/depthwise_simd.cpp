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

/// K taps at a distance of 1, results S columns apart. A row is taken as S rows of every S-th column, so that results
/// read neighbours: a column is loaded once and handed on from result to result, tap after tap.
template <int K, int S>
struct Window {
  static constexpr int kStride = S;

  template <int W, bool kWhole>
  static HWY_INLINE void add_rows(const Tile& t, int64_t c, V (&sums)[W]) {
    const float* row = t.x + c;
    const float* weights = t.weights + c / kStrip * t.weight_strip + c % kStrip;
    for (int u = 0; u < t.rows; ++u, row += t.x_row, weights += t.weight_row) {
      add_taps<0, W, kWhole>(t, t.channels - c, row, weights, sums);
      if constexpr (S > 1) add_taps<1, W, kWhole>(t, t.channels - c, row, weights, sums);
    }
  }

 private:
  /// Those taps that lie on the columns kFirst, kFirst + S, ...
  template <int kFirst, int W, bool kWhole>
  static HWY_INLINE void add_taps(const Tile& t, int64_t count, const float* row, const float* weights, V (&sums)[W]) {
    constexpr int kTaps = (K - kFirst + S - 1) / S;
    V columns[W];  // column i is at i % W
    INGOT_UNROLL
    for (int i = 0; i < W; ++i) columns[i] = read_column<W, kWhole>(t, count, row, i * S + kFirst);
    INGOT_UNROLL
    for (int v = 0; v < kTaps; ++v) {
      if (v > 0) columns[(v - 1) % W] = read_column<W, kWhole>(t, count, row, (W - 1 + v) * S + kFirst);
      const V tap = load(weights + (v * S + kFirst) * kStrip);
      INGOT_UNROLL
      for (int i = 0; i < W; ++i) sums[i] = hn::MulAdd(columns[(i + v) % W], tap, sums[i]);
    }
  }

  template <int W, bool kWhole>
  static HWY_INLINE V read_column(const Tile& t, int64_t count, const float* row, int j) {
    // Of columns further inside a result would lie outside.
    constexpr int kColumns = (W - 1) * S + K;
    if ((j < K - 1 && j < t.begin) || (j > kColumns - K && j >= t.end)) return hn::Zero(F32());
    return read<kWhole>(row + j * t.x_pixel, count);
  }
};

/// Any number of taps at any distance.
struct AnyWindow {
  static constexpr int kStride = 1;
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

/// A vector's share of what the next tile touches first: of as many columns as the tiles are apart, of its results.
template <int W, int S>
HWY_INLINE void fetch(const Tile& t, int64_t c) {
  constexpr int64_t kLine = 16, kShare = W * S;
  if (t.next_x != nullptr) {
    const float* const x = t.next_x + c * kShare;
    INGOT_UNROLL
    for (int u = 0; u < S; ++u) {
      INGOT_UNROLL
      for (int64_t at = 0; at < kShare * kLanes; at += kLine) __builtin_prefetch(x + u * t.x_row + at);
    }
  }
  if (t.next_out != nullptr && c % kLine == 0) {
    INGOT_UNROLL
    for (int i = 0; i < W; ++i) __builtin_prefetch(t.next_out + i * t.out_pixel + c, 1);
  }
}

// Fetching is apart from the loop without: its pointers take registers.
template <class Windows, int W>
HWY_NOINLINE void run_fetching(const Tile& tile) {
  const Tile t = tile;
  for (int64_t c = 0; c + kLanes <= t.channels; c += kLanes) {
    fetch<W, Windows::kStride>(t, c);
    run_vector<Windows, W, true>(t, c);
  }
}

template <class Windows, int W>
void run(const Tile& tile) {
  const Tile t = tile;  // which stores of results cannot change
  int64_t c = 0;
  if (t.next_x != nullptr || t.next_out != nullptr) {
    run_fetching<Windows, W>(tile);
    c = t.channels / kLanes * kLanes;
  }
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
