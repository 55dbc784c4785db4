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

/// A sum over many vectors: four side by side, since an addition takes as long as several loads.
class WideSum {
 public:
  HWY_INLINE WideSum() : part_{hn::Zero(F32()), hn::Zero(F32()), hn::Zero(F32()), hn::Zero(F32())} {}
  HWY_INLINE void add(int k, V v) { part_[k] = hn::Add(part_[k], v); }
  HWY_INLINE double total() const {
    const V all = hn::Add(hn::Add(part_[0], part_[1]), hn::Add(part_[2], part_[3]));
    return static_cast<double>(hn::GetLane(hn::SumOfLanes(F32(), all)));
  }

 private:
  V part_[4];
};

// step(k, i, -1) for whole vectors, k = 0..3 in turns, then step(0, i, n) for the n elements left.
template <class Step>
HWY_INLINE void for_four_vectors(int64_t begin, int64_t end, const Step& step) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(F32()));
  int64_t i = begin;
  for (; i + 4 * lanes <= end; i += 4 * lanes) {
    step(0, i, int64_t{-1});
    step(1, i + lanes, int64_t{-1});
    step(2, i + 2 * lanes, int64_t{-1});
    step(3, i + 3 * lanes, int64_t{-1});
  }
  for (; i + lanes <= end; i += lanes) step(0, i, int64_t{-1});
  if (i < end) step(0, i, end - i);
}

HWY_INLINE V only_first(V v, int64_t n) {
  return n < 0 ? v : hn::IfThenElseZero(hn::FirstN(F32(), static_cast<size_t>(n)), v);
}

/// Sums are in f32 for so many elements, then in f64.
HWY_INLINE int64_t summed_at_once() { return static_cast<int64_t>(64 * hn::Lanes(F32())); }

// The sum of f(i, n) over a line, n as in `read`.
template <class F>
HWY_INLINE double sum_over(int64_t n, const F& f) {
  double total = 0;
  for (int64_t first = 0; first < n; first += summed_at_once()) {
    WideSum sum;
    for_four_vectors(first, std::min(n, first + summed_at_once()),
                     [&](int k, int64_t i, int64_t count) HWY_ATTR { sum.add(k, only_first(f(i, count), count)); });
    total += sum.total();
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
