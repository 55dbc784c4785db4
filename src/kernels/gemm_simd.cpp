#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <utility>

#include "kernels/dispatch.h"
#include "kernels/gemm_kernel.h"
#include "kernels/tile-inl.h"
#include "kernels/unroll.h"

HWY_BEFORE_NAMESPACE();
namespace ingot::kernels::gemm {
namespace HWY_NAMESPACE {
namespace {

using namespace kernels::HWY_NAMESPACE;

constexpr int64_t kUnrolled = 8;

template <int R>
HWY_INLINE void add_products(Sums<R>& sums, const float* const (&row)[R], int64_t k, const float* weights) {
  const V w0 = load(weights), w1 = load(weights + kLanes);
  INGOT_UNROLL
  for (int r = 0; r < R; ++r) add_row_products(sums[r], row[r] + k, w0, w1);
}

template <int R>
HWY_INLINE void read_sums(Sums<R>& sums, const float* from) {
  INGOT_UNROLL
  for (int r = 0; r < R; ++r) {
    sums[r][0] = from == nullptr ? hn::Zero(F32()) : load(from + r * kColumns);
    sums[r][1] = from == nullptr ? hn::Zero(F32()) : load(from + r * kColumns + kLanes);
  }
}

template <int R>
HWY_INLINE void write_sums(const Sums<R>& sums, float* to) {
  INGOT_UNROLL
  for (int r = 0; r < R; ++r) {
    store(sums[r][0], to + r * kColumns);
    store(sums[r][1], to + r * kColumns + kLanes);
  }
}

/// What follows the sums, in variables of their own: for all that a compiler knows, a store may change a Strip.
struct Ending {
  explicit Ending(const Strip& s)
      : bias(s.bias),
        columns(s.columns),
        stride(s.out_stride),
        residual_stride(s.residual_stride),
        low(s.low),
        high(s.high) {}
  const float* bias;
  int64_t columns, stride, residual_stride;
  float low, high;
};

template <int R, bool kResidual>
HWY_INLINE void write_whole(const Ending& e, const Sums<R>& sums, float* out, const float* residual) {
  const V low = hn::Set(F32(), e.low), high = hn::Set(F32(), e.high), none = hn::Zero(F32());
  const V bias[] = {e.bias == nullptr ? none : load(e.bias), e.bias == nullptr ? none : load(e.bias + kLanes)};
  INGOT_UNROLL
  for (int r = 0; r < R; ++r) {
    V y[] = {hn::Add(sums[r][0], bias[0]), hn::Add(sums[r][1], bias[1])};
    if constexpr (kResidual) {
      y[0] = hn::Add(y[0], load(residual)), y[1] = hn::Add(y[1], load(residual + kLanes));
      residual += e.residual_stride;
    }
    store(clip(y[0], low, high), out);
    store(clip(y[1], low, high), out + kLanes);
    out += e.stride;
  }
}

template <int R, int kVector>
HWY_INLINE void write_some_columns(const Ending& e, const Sums<R>& sums, float* out, const float* residual) {
  constexpr int64_t at = kVector * kLanes;
  const int64_t count = e.columns - at;
  if (count <= 0) return;
  const V low = hn::Set(F32(), e.low), high = hn::Set(F32(), e.high);
  const V bias = e.bias == nullptr ? hn::Zero(F32()) : read_some(e.bias + at, count);
  INGOT_UNROLL
  for (int r = 0; r < R; ++r) {
    V y = hn::Add(sums[r][kVector], bias);
    if (residual != nullptr) y = hn::Add(y, read_some(residual + r * e.residual_stride + at, count));
    write_some(clip(y, low, high), out + r * e.stride + at, count);
  }
}

template <int R>
HWY_INLINE void write_results(const Ending& e, const Sums<R>& sums, float* out, const float* residual) {
  if (e.columns < kColumns) {
    write_some_columns<R, 0>(e, sums, out, residual);
    write_some_columns<R, 1>(e, sums, out, residual);
  } else if (residual != nullptr) {
    write_whole<R, true>(e, sums, out, residual);
  } else {
    write_whole<R, false>(e, sums, out, nullptr);
  }
}

/// What a strip has fetched meanwhile: one to three lines at each step of a panel, so that it lasts for all panels. A
/// panel that begins within a part may run past its end.
class Fetcher {
 public:
  explicit Fetcher(const Strip& s)
      : idle_(reinterpret_cast<const char*>(s.weights)), now_(s.next[0]), then_(s.next[1]) {
    const int64_t bytes = (now_.end - now_.begin) + (then_.end - then_.begin);
    const int64_t steps = int64_t{s.panels} * s.taps * (s.depth / kUnrolled);
    rate_ = bytes <= steps * kLine ? kLine : bytes <= 2 * steps * kLine ? 2 * kLine : 3 * kLine;
  }
  HWY_INLINE void begin_panel() {
    if (now_.begin >= now_.end) now_ = then_, then_ = {};
    is_idle_ = now_.begin >= now_.end;
  }
  HWY_INLINE const char* at() const { return is_idle_ ? idle_ : now_.begin; }
  HWY_INLINE int64_t step() const { return is_idle_ ? 0 : rate_; }
  HWY_INLINE void end_panel(const char* at) {
    if (!is_idle_) now_.begin = at;
  }
  static constexpr int64_t kLine = 64;

 private:
  const char* idle_;
  Lines now_, then_;
  int64_t rate_;
  bool is_idle_ = true;
};

template <int R>
void run(const Strip& s) {
  const Ending ending(s);
  Fetcher fetcher(s);
  const float* const* panel = s.rows;
  float *out = s.out, *waiting = s.sums;
  const float* residual = s.residual;
  for (int p = 0; p < s.panels; ++p, panel += s.panel_step, waiting += kRows * kColumns) {
    Sums<R> sums;
    read_sums<R>(sums, s.first ? nullptr : waiting);
    if (s.last)
      for (int r = 0; r < R; ++r) __builtin_prefetch(out + r * s.out_stride, 1);
    const float* weights = s.weights;
    const float* const* pointers = panel;
    fetcher.begin_panel();
    const char* next = fetcher.at();
    const int64_t step = fetcher.step();
    for (int t = 0; t < s.taps; ++t, pointers += kRows) {
      const float* row[R];
      INGOT_UNROLL
      for (int r = 0; r < R; ++r) row[r] = pointers[r] + s.offset;
      int64_t k = 0;
      for (; k + kUnrolled <= s.depth; k += kUnrolled, weights += kUnrolled * kColumns, next += step) {
        for (int line = 0; line < 3; ++line) __builtin_prefetch(next + Fetcher::kLine * line);
        INGOT_UNROLL
        for (int64_t i = 0; i < kUnrolled; ++i) add_products<R>(sums, row, k + i, weights + i * kColumns);
      }
      for (; k < s.depth; ++k, weights += kColumns) add_products<R>(sums, row, k, weights);
    }
    fetcher.end_panel(next);
    if (!s.last) {
      write_sums<R>(sums, waiting);
      continue;
    }
    write_results<R>(ending, sums, out, residual);
    out += R * ending.stride;
    if (residual != nullptr) residual += R * ending.residual_stride;
  }
}

template <int... kRowsLess1>
StripKernel strip_kernel_of(int rows, std::integer_sequence<int, kRowsLess1...>) {
  static constexpr StripKernel kRuns[] = {run<kRowsLess1 + 1>...};
  return kRuns[rows - 1];
}
StripKernel strip_kernel(int rows) { return strip_kernel_of(rows, std::make_integer_sequence<int, kRows>()); }

Tile tile() { return {kRows, static_cast<int>(kColumns)}; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ingot::kernels::gemm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ingot::kernels::gemm {

HWY_EXPORT(strip_kernel);
HWY_EXPORT(tile);

Tile tile() {
  static const Tile tile = INGOT_DISPATCH(tile)();
  return tile;
}
StripKernel strip_kernel(int rows) { return INGOT_DISPATCH(strip_kernel)(rows); }

}  // namespace ingot::kernels::gemm
#endif
