#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/softmax_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cmath>
#include <limits>

#include "kernels/dispatch.h"
#include "kernels/lines-inl.h"
#include "kernels/math-inl.h"
#include "kernels/softmax_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace ingot::kernels {
namespace HWY_NAMESPACE {
namespace {

// Skips NaN, which the exponentials keep.
float max_of(const float* x, int64_t n) {
  const F32 d;
  V best[4];
  for (V& v : best) v = hn::Set(d, -std::numeric_limits<float>::infinity());
  for_four_vectors(0, n, [&](int k, int64_t i, int64_t count) HWY_ATTR {
    const V v = read(x + i, count);
    best[k] = hn::Max(count < 0 ? v : hn::IfThenElse(hn::FirstN(d, static_cast<size_t>(count)), v, best[k]), best[k]);
  });
  return hn::GetLane(hn::MaxOfLanes(d, hn::Max(hn::Max(best[0], best[1]), hn::Max(best[2], best[3]))));
}

void softmax_line(const void* const* in, void* out, int64_t n) {
  const auto* x = static_cast<const float*>(in[0]);
  auto* y = static_cast<float*>(out);
  const V max = hn::Set(F32(), max_of(x, n));
  const double sum = sum_over(n, [&](int64_t i, int64_t count) HWY_ATTR {
    const V e = math::exp_down(F32(), hn::Sub(read(x + i, count), max));
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
      n, [&](int64_t i, int64_t count) HWY_ATTR { return math::exp_down(F32(), hn::Sub(read(x + i, count), max)); });
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
    return hn::NegMulAdd(math::exp_down(F32(), read(y + i, count)), sum, read(g + i, count));
  });
}

void log_sum(const float* x, int64_t n, float* max, float* log_sum) {
  *max = max_of(x, n);
  const V shift = hn::Set(F32(), *max);
  *log_sum = static_cast<float>(std::log(sum_over(n, [&](int64_t i, int64_t count) HWY_ATTR {
    return math::exp_down(F32(), hn::Sub(read(x + i, count), shift));
  })));
}

double weighted(const float* x, const float* weight, int64_t n, float max, float log_sum) {
  const V shift = hn::Set(F32(), max), total = hn::Set(F32(), log_sum);
  return sum_over(n, [&](int64_t i, int64_t count) HWY_ATTR {
    const V loss = hn::Sub(total, hn::Sub(read(x + i, count), shift));
    return weight == nullptr ? loss : hn::Mul(loss, read(weight + i, count));
  });
}

void cross_entropy_grad(const float* x, const float* weight, int64_t n, float max, float log_sum, float of_share,
                        float of_weight, float* dx) {
  const V shift = hn::Set(F32(), max), total = hn::Set(F32(), log_sum);
  const V share_factor = hn::Set(F32(), of_share), weight_factor = hn::Set(F32(), of_weight);
  fill_line(dx, n, [&](int64_t i, int64_t count) HWY_ATTR {
    const V share = math::exp_down(F32(), hn::Sub(hn::Sub(read(x + i, count), shift), total));
    const V each = weight == nullptr ? weight_factor : hn::Mul(weight_factor, read(weight + i, count));
    return hn::Sub(hn::Mul(share, share_factor), each);
  });
}

CrossEntropyKernels<float> cross_entropy_kernels() { return {log_sum, weighted, cross_entropy_grad}; }

SoftmaxKernels kernels() { return {softmax_line, log_softmax_line, softmax_grad_line, log_softmax_grad_line}; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ingot::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ingot::kernels {

HWY_EXPORT(kernels);
HWY_EXPORT(cross_entropy_kernels);

const SoftmaxKernels& simd_softmax() {
  static const SoftmaxKernels table = INGOT_DISPATCH(kernels)();
  return table;
}

const CrossEntropyKernels<float>& simd_cross_entropy() {
  static const CrossEntropyKernels<float> table = INGOT_DISPATCH(cross_entropy_kernels)();
  return table;
}

}  // namespace ingot::kernels
#endif
