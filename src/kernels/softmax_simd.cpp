#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/softmax_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

#include "kernels/dispatch.h"
#include "kernels/load-inl.h"
#include "kernels/math-inl.h"
#include "kernels/softmax_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace ingot::kernels {
namespace HWY_NAMESPACE {
namespace {

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

// NaN where there is one.
float max_of(const float* x, int64_t n) {
  const auto better = [](V best, V v)
                          HWY_ATTR { return hn::IfThenElse(hn::Or(hn::Gt(v, best), hn::IsNaN(v)), v, best); };
  V best = hn::Set(F32(), x[0]);
  const auto step = [&](int64_t i) HWY_ATTR { best = better(best, load(x + i)); };
  float rest = x[0];
  for_vectors(n, step, [&](int64_t i, int64_t count) HWY_ATTR {
    for (int64_t j = i; j < i + count; ++j) rest = x[j] > rest || x[j] != x[j] ? x[j] : rest;
  });
  HWY_ALIGN float values[hn::MaxLanes(F32())];
  hn::Store(best, F32(), values);
  for (size_t i = 0; i < hn::Lanes(F32()); ++i) rest = values[i] > rest || values[i] != values[i] ? values[i] : rest;
  return rest;
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

void softmax_line(const void* const* in, void* out, int64_t n) {
  const auto* x = static_cast<const float*>(in[0]);
  auto* y = static_cast<float*>(out);
  const V max = hn::Set(F32(), max_of(x, n));
  const double sum = sum_over(n, [&](int64_t i, int64_t count) HWY_ATTR {
    const V e = math::exp(F32(), hn::Sub(read(x + i, count), max));
    write(e, y + i, count);
    return e;
  });
  const V scale = hn::Set(F32(), static_cast<float>(1 / sum));
  fill_line(y, n, [&](int64_t i, int64_t count) HWY_ATTR { return hn::Mul(read(y + i, count), scale); });
}

void log_softmax_line(const void* const* in, void* out, int64_t n) {
  const auto* x = static_cast<const float*>(in[0]);
  const V max = hn::Set(F32(), max_of(x, n));
  const double sum = sum_over(
      n, [&](int64_t i, int64_t count) HWY_ATTR { return math::exp(F32(), hn::Sub(read(x + i, count), max)); });
  const V log_sum = hn::Set(F32(), static_cast<float>(std::log(sum)));
  fill_line(static_cast<float*>(out), n,
            [&](int64_t i, int64_t count) HWY_ATTR { return hn::Sub(hn::Sub(read(x + i, count), max), log_sum); });
}

void softmax_grad_line(const void* const* in, void* out, int64_t n) {
  const auto *y = static_cast<const float*>(in[0]), *g = static_cast<const float*>(in[1]);
  const double dot =
      sum_over(n, [&](int64_t i, int64_t count) HWY_ATTR { return hn::Mul(read(y + i, count), read(g + i, count)); });
  const V shift = hn::Set(F32(), static_cast<float>(dot));
  fill_line(static_cast<float*>(out), n, [&](int64_t i, int64_t count) HWY_ATTR {
    return hn::Mul(read(y + i, count), hn::Sub(read(g + i, count), shift));
  });
}

void log_softmax_grad_line(const void* const* in, void* out, int64_t n) {
  const auto *y = static_cast<const float*>(in[0]), *g = static_cast<const float*>(in[1]);
  const double total = sum_over(n, [&](int64_t i, int64_t count) HWY_ATTR { return read(g + i, count); });
  const V sum = hn::Set(F32(), static_cast<float>(total));
  fill_line(static_cast<float*>(out), n, [&](int64_t i, int64_t count) HWY_ATTR {
    return hn::NegMulAdd(math::exp(F32(), read(y + i, count)), sum, read(g + i, count));
  });
}

SoftmaxKernels kernels() { return {softmax_line, log_softmax_line, softmax_grad_line, log_softmax_grad_line}; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ingot::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ingot::kernels {

HWY_EXPORT(kernels);

const SoftmaxKernels& simd_softmax() {
  static const SoftmaxKernels table = INGOT_DISPATCH(kernels)();
  return table;
}

}  // namespace ingot::kernels
#endif
