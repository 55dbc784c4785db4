#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/softmax_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cmath>

#include "kernels/dispatch.h"
#include "kernels/lines-inl.h"
#include "kernels/math-inl.h"
#include "kernels/softmax_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace ingot::kernels {
namespace HWY_NAMESPACE {
namespace {

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
