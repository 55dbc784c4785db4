#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

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
  for (int r = 0; r < R; ++r) {
    const V x = hn::Set(F32(), row[r][k]);
    sums[r][0] = hn::MulAdd(x, w0, sums[r][0]);
    sums[r][1] = hn::MulAdd(x, w1, sums[r][1]);
  }
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

template <int R, int kVector>
HWY_INLINE void write_results(const Strip& s, const Sums<R>& sums, float* out, const float* residual) {
  constexpr int64_t at = kVector * kLanes;
  const int64_t count = s.columns - at;
  if (count <= 0) return;
  const V low = hn::Set(F32(), s.low), high = hn::Set(F32(), s.high);
  const V bias = s.bias == nullptr ? hn::Zero(F32()) : read_some(s.bias + at, count);
  INGOT_UNROLL
  for (int r = 0; r < R; ++r) {
    V y = hn::Add(sums[r][kVector], bias);
    if (residual != nullptr) y = hn::Add(y, read_some(residual + r * s.residual_stride + at, count));
    write_some(clip(y, low, high), out + r * s.out_stride + at, count);
  }
}

template <int R>
void run(const Strip& s) {
  const char* next = s.next;
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
    const int64_t fetched = next < s.next_end ? 192 : 0;
    if (fetched == 0) next = reinterpret_cast<const char*>(s.weights);
    for (int t = 0; t < s.taps; ++t, pointers += kRows) {
      const float* row[R];
      INGOT_UNROLL
      for (int r = 0; r < R; ++r) row[r] = pointers[r] + s.offset;
      int64_t k = 0;
      for (; k + kUnrolled <= s.depth; k += kUnrolled, weights += kUnrolled * kColumns, next += fetched) {
        for (int line = 0; line < 3; ++line) __builtin_prefetch(next + 64 * line);
        INGOT_UNROLL
        for (int64_t i = 0; i < kUnrolled; ++i) add_products<R>(sums, row, k + i, weights + i * kColumns);
      }
      for (; k < s.depth; ++k, weights += kColumns) add_products<R>(sums, row, k, weights);
    }
    if (fetched == 0) next = s.next_end;
    if (!s.last) {
      write_sums<R>(sums, waiting);
      continue;
    }
    write_results<R, 0>(s, sums, out, residual);
    write_results<R, 1>(s, sums, out, residual);
    out += R * s.out_stride;
    if (residual != nullptr) residual += R * s.residual_stride;
  }
}

void run_strip(int rows, const Strip& s) {
  using Run = void (*)(const Strip&);
#if HWY_TARGET <= HWY_AVX3
  static constexpr Run kRuns[kRows] = {run<1>, run<2>, run<3>, run<4>,  run<5>,  run<6>,
                                       run<7>, run<8>, run<9>, run<10>, run<11>, run<12>};
#else
  static constexpr Run kRuns[kRows] = {run<1>, run<2>, run<3>, run<4>, run<5>, run<6>};
#endif
  kRuns[rows - 1](s);
}

Tile tile() { return {kRows, static_cast<int>(kColumns)}; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ingot::kernels::gemm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ingot::kernels::gemm {

HWY_EXPORT(run_strip);
HWY_EXPORT(tile);

Tile tile() { return INGOT_DISPATCH(tile)(); }
void run_strip(int rows, const Strip& strip) { INGOT_DISPATCH(run_strip)(rows, strip); }

}  // namespace ingot::kernels::gemm
#endif
