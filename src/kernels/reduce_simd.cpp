#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/reduce_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cmath>

#include "kernels/dispatch.h"
#include "kernels/load-inl.h"
#include "kernels/reduce_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace ingot::kernels {
namespace HWY_NAMESPACE {
namespace {

// Sums run in f64: a promotion and an addition for half a vector, which memory hides.
struct Sum {
  VD sum;

  HWY_INLINE Sum() : sum(hn::Zero(F64())) {}  // an implicit one would be compiled for the wrong target

  static constexpr double kStart = 0;
  static constexpr size_t kMostLanes = hn::MaxLanes(F64());
  static int64_t lanes() { return static_cast<int64_t>(hn::Lanes(F64())); }
  static double combine(double a, double b) { return a + b; }
  template <class T>
  HWY_INLINE void take(const T* p) {
    sum = hn::Add(sum, load_f64(p));
  }
  HWY_INLINE void merge(const Sum& other) { sum = hn::Add(sum, other.sum); }
  HWY_INLINE void store_to(double* out) const { hn::StoreU(sum, F64(), out); }
};

// Extremes compare in f32. A NaN is taken and then kept, since nothing compares with it.
template <bool kMax>
struct Extreme {
  static constexpr double kStart = kMax ? -HUGE_VAL : HUGE_VAL;
  static constexpr size_t kMostLanes = hn::MaxLanes(F32());
  static int64_t lanes() { return static_cast<int64_t>(hn::Lanes(F32())); }
  static double combine(double a, double b) { return (kMax ? b > a : b < a) || b != b ? b : a; }
  static HWY_INLINE V better(V best, V x) {
    const auto wins = kMax ? hn::Gt(x, best) : hn::Lt(x, best);
    return hn::IfThenElse(hn::Or(wins, hn::IsNaN(x)), x, best);
  }

  V best;

  HWY_INLINE Extreme() : best(hn::Set(F32(), static_cast<float>(kStart))) {}

  template <class T>
  HWY_INLINE void take(const T* p) {
    best = better(best, load(p));
  }
  HWY_INLINE void merge(const Extreme& other) { best = better(best, other.best); }
  HWY_INLINE void store_to(double* out) const {
    HWY_ALIGN float values[kMostLanes];
    hn::Store(best, F32(), values);
    for (int64_t i = 0; i < lanes(); ++i) out[i] = values[i];
  }
};

template <class Op, class T>
double reduce_row(const T* x, int64_t n) {
  const int64_t lanes = Op::lanes();
  Op a, b, c, d;
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    a.take(x + i);
    b.take(x + i + lanes);
    c.take(x + i + 2 * lanes);
    d.take(x + i + 3 * lanes);
  }
  for (; i + lanes <= n; i += lanes) a.take(x + i);
  a.merge(b);
  c.merge(d);
  a.merge(c);
  double values[Op::kMostLanes];
  a.store_to(values);
  double result = values[0];
  for (int64_t j = 1; j < lanes; ++j) result = Op::combine(result, values[j]);
  for (; i < n; ++i) result = Op::combine(result, static_cast<double>(x[i]));
  return result;
}

template <class Op, class T>
double reduce_strided(const T* x, int64_t n, int64_t stride) {
  double result = Op::kStart;
  for (int64_t i = 0; i < n; ++i) result = Op::combine(result, static_cast<double>(x[i * stride]));
  return result;
}

// Two vectors of columns down a tile's rows at a time: few enough rows for the prefetcher to follow them all. Every
// column sees its elements in the same order whichever loop takes it.
template <class Op, class T>
void reduce_columns(const T* x, int64_t columns, int64_t rows, int64_t stride, double* acc) {
  constexpr int64_t kTileRows = 16;
  const int64_t lanes = Op::lanes();
  for (int64_t r0 = 0; r0 < rows; r0 += kTileRows) {
    const int64_t tile = std::min(kTileRows, rows - r0);
    const T* top = x + r0 * stride;
    int64_t c = 0;
    for (; c + 2 * lanes <= columns; c += 2 * lanes) {
      Op a, b;
      for (int64_t r = 0; r < tile; ++r) {
        a.take(top + r * stride + c);
        b.take(top + r * stride + c + lanes);
      }
      double values[2 * Op::kMostLanes];
      a.store_to(values);
      b.store_to(values + lanes);
      for (int64_t j = 0; j < 2 * lanes; ++j) acc[c + j] = Op::combine(acc[c + j], values[j]);
    }
    for (; c < columns; ++c) acc[c] = Op::combine(acc[c], reduce_strided<Op>(top + c, tile, stride));
  }
}

template <class Op, class T>
void run(const void* x, int64_t outs, int64_t out_stride, int64_t n, int64_t stride, void* acc) {
  const auto* from = static_cast<const T*>(x);
  auto* to = static_cast<double*>(acc);
  if (stride != 1 && out_stride == 1) return reduce_columns<Op>(from, outs, n, stride, to);
  for (int64_t o = 0; o < outs; ++o) {
    const T* row = from + o * out_stride;
    to[o] = Op::combine(to[o], stride == 1 ? reduce_row<Op>(row, n) : reduce_strided<Op>(row, n, stride));
  }
}

template <class T>
ReduceKernel pick(Reduce op) {
  switch (op) {
    case Reduce::sum:
    case Reduce::mean:
      return run<Sum, T>;
    case Reduce::max:
      return run<Extreme<true>, T>;
    case Reduce::min:
      return run<Extreme<false>, T>;
    case Reduce::prod:
      return nullptr;
  }
  return nullptr;
}

ReduceKernel reduce_kernel(Reduce op, DType dtype) {
  if (dtype == DType::f32) return pick<float>(op);
  return dtype == DType::bf16 ? pick<bf16>(op) : nullptr;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ingot::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ingot::kernels {

HWY_EXPORT(reduce_kernel);

ReduceKernel simd_kernel(Reduce op, DType dtype) { return INGOT_DISPATCH(reduce_kernel)(op, dtype); }

}  // namespace ingot::kernels
#endif
