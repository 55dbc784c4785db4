// Per-target include (no ordinary guard): loops over one contiguous line of f32.
#if defined(INGOT_KERNELS_LINES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef INGOT_KERNELS_LINES_INL_H_
#undef INGOT_KERNELS_LINES_INL_H_
#else
#define INGOT_KERNELS_LINES_INL_H_
#endif

#include <algorithm>

#include "kernels/load-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ingot::kernels {
namespace HWY_NAMESPACE {

// step(i) for whole vectors, then part(i, n) for the rest of a line.
template <class Step, class Part>
HWY_INLINE void for_vectors(int64_t n, const Step& step, const Part& part) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(F32()));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) step(i);
  if (i < n) part(i, n - i);
}

HWY_INLINE double sum_of_lanes(V v) {
  HWY_ALIGN float values[hn::MaxLanes(F32())];
  hn::Store(v, F32(), values);
  double sum = 0;
  for (size_t i = 0; i < hn::Lanes(F32()); ++i) sum += values[i];
  return sum;
}

// The sum of f(i, n) over a line, n as in `read`: f32 for a few vectors, then f64.
template <class F>
HWY_INLINE double sum_over(int64_t n, const F& f) {
  const auto block = static_cast<int64_t>(32 * hn::Lanes(F32()));
  double total = 0;
  for (int64_t first = 0; first < n; first += block) {
    V sum = hn::Zero(F32());
    const auto step = [&](int64_t i) HWY_ATTR { sum = hn::Add(sum, f(first + i, -1)); };
    for_vectors(std::min(block, n - first), step, [&](int64_t i, int64_t count) HWY_ATTR {
      const auto valid = hn::FirstN(F32(), static_cast<size_t>(count));
      sum = hn::Add(sum, hn::IfThenElseZero(valid, f(first + i, count)));
    });
    total += sum_of_lanes(sum);
  }
  return total;
}

// A whole vector where n < 0, else its first n elements.
HWY_INLINE V read(const float* p, int64_t n) { return n < 0 ? load(p) : load_part(p, n); }
HWY_INLINE void write(V v, float* p, int64_t n) { n < 0 ? store(v, p) : store_part(v, p, n); }

template <class F>
HWY_INLINE void fill_line(float* out, int64_t n, const F& f) {
  for_vectors(
      n, [&](int64_t i) HWY_ATTR { store(f(i, -1), out + i); },
      [&](int64_t i, int64_t count) HWY_ATTR { write(f(i, count), out + i, count); });
}

}  // namespace HWY_NAMESPACE
}  // namespace ingot::kernels
HWY_AFTER_NAMESPACE();

#endif
