// Per-target include (no ordinary guard): runs an update rule over the parameters. A rule is a struct with
//   static constexpr int kStates;
//   template <class V> void operator()(V& theta, V g, V& state0, ...) const;
// V is a Pack of SIMD lanes, or a float or double for the last elements of a run: the rule does not tell them apart.
#if defined(INGOT_KERNELS_OPTIM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef INGOT_KERNELS_OPTIM_INL_H_
#undef INGOT_KERNELS_OPTIM_INL_H_
#else
#define INGOT_KERNELS_OPTIM_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "base/parallel.h"
#include "kernels/optim.h"

HWY_BEFORE_NAMESPACE();
namespace ingot::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// A vector of T with the operators of a number.
template <class T>
struct Pack {
  using D = hn::ScalableTag<T>;
  hn::Vec<D> v;

  HWY_INLINE Pack(hn::Vec<D> lanes) : v(lanes) {}
  HWY_INLINE Pack(T value) : v(hn::Set(D(), value)) {}
  friend HWY_INLINE Pack operator+(Pack a, Pack b) { return hn::Add(a.v, b.v); }
  friend HWY_INLINE Pack operator-(Pack a, Pack b) { return hn::Sub(a.v, b.v); }
  friend HWY_INLINE Pack operator*(Pack a, Pack b) { return hn::Mul(a.v, b.v); }
  friend HWY_INLINE Pack operator/(Pack a, Pack b) { return hn::Div(a.v, b.v); }
  friend HWY_INLINE Pack operator-(Pack a) { return hn::Neg(a.v); }
  friend HWY_INLINE Pack sqrt(Pack a) { return hn::Sqrt(a.v); }
  friend HWY_INLINE Pack abs(Pack a) { return hn::Abs(a.v); }
  /// NaN where either is.
  friend HWY_INLINE Pack max(Pack a, Pack b) {
    return hn::IfThenElse(hn::Or(hn::Gt(a.v, b.v), hn::IsNaN(a.v)), a.v, b.v);
  }
  friend HWY_INLINE Pack sign(Pack a) {
    const auto zero = hn::Zero(D()), one = hn::Set(D(), T(1));
    return hn::Sub(hn::IfThenElseZero(hn::Gt(a.v, zero), one), hn::IfThenElseZero(hn::Lt(a.v, zero), one));
  }
};

using std::abs;
using std::sqrt;
HWY_INLINE float max(float a, float b) { return a > b || a != a ? a : b; }
HWY_INLINE double max(double a, double b) { return a > b || a != a ? a : b; }
HWY_INLINE float sign(float a) { return static_cast<float>((a > 0) - (a < 0)); }
HWY_INLINE double sign(double a) { return static_cast<double>((a > 0) - (a < 0)); }

template <class V, class Rule>
HWY_INLINE void call_rule(const Rule& rule, V& theta, V g, V* s) {
  if constexpr (Rule::kStates == 0) rule(theta, g);
  if constexpr (Rule::kStates == 1) rule(theta, g, s[0]);
  if constexpr (Rule::kStates == 2) rule(theta, g, s[0], s[1]);
  if constexpr (Rule::kStates == 3) rule(theta, g, s[0], s[1], s[2]);
}

/// The elements [begin, end) of one run.
template <class T, class Rule>
void update_run(const Rule& rule, const ParameterRun& run, int64_t begin, int64_t end) {
  constexpr int kStates = Rule::kStates;
  const hn::ScalableTag<T> d;
  auto* theta = static_cast<T*>(run.theta);
  const auto* grad = static_cast<const T*>(run.grad);
  T* state[kStates + 1] = {};
  for (int k = 0; k < kStates; ++k) state[k] = static_cast<T*>(run.state[static_cast<size_t>(k)]);

  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = begin;
  for (; i + lanes <= end; i += lanes) {
    Pack<T> t = hn::LoadU(d, theta + i), s[3] = {T(0), T(0), T(0)};
    for (int k = 0; k < kStates; ++k) s[k] = hn::LoadU(d, state[k] + i);
    call_rule<Pack<T>>(rule, t, hn::LoadU(d, grad + i), s);
    hn::StoreU(t.v, d, theta + i);
    for (int k = 0; k < kStates; ++k) hn::StoreU(s[k].v, d, state[k] + i);
  }
  for (; i < end; ++i) {
    T s[kStates + 1] = {};
    for (int k = 0; k < kStates; ++k) s[k] = state[k][i];
    call_rule<T>(rule, theta[i], grad[i], s);
    for (int k = 0; k < kStates; ++k) state[k][i] = s[k];
  }
}

/// All runs, laid end to end and cut evenly over the threads, inside a run at a cache line.
template <class T, class Rule>
void update_all(const Rule& rule, std::span<const ParameterRun> runs) {
  constexpr int64_t kLine = 64 / sizeof(T), kFewest = 8192;
  int64_t total = 0;
  for (const ParameterRun& run : runs) total += run.count;
  parallel_for(total, kFewest, [&](int64_t begin, int64_t end) {
    int64_t start = 0;
    for (const ParameterRun& run : runs) {
      const auto inside = [&](int64_t position) {
        return position >= start + run.count ? run.count : std::max<int64_t>(0, position - start) / kLine * kLine;
      };
      const int64_t first = inside(begin), last = inside(end);
      if (first < last) update_run<T>(rule, run, first, last);
      start += run.count;
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace ingot::kernels
HWY_AFTER_NAMESPACE();

#endif
