#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/layer_norm_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cmath>

#include "kernels/dispatch.h"
#include "kernels/layer_norm_kernels.h"
#include "kernels/lines-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ingot::kernels {
namespace HWY_NAMESPACE {
namespace {

HWY_INLINE V constant(double value) { return hn::Set(F32(), static_cast<float>(value)); }

void forward(const float* x, const float* gamma, const float* beta, int64_t n, double eps, float* y, float* mean,
             float* rstd) {
  const auto count = static_cast<double>(n);
  const double m = sum_over(n, [&](int64_t i, int64_t part) HWY_ATTR { return read(x + i, part); }) / count;
  const V centre = constant(m);
  const double squares = sum_over(n, [&](int64_t i, int64_t part) HWY_ATTR {
    const V v = hn::Sub(read(x + i, part), centre);
    return hn::Mul(v, v);
  });
  *mean = static_cast<float>(m);
  *rstd = static_cast<float>(1 / std::sqrt(squares / count + eps));
  const V scale = constant(*rstd);
  const auto normalised = [&](int64_t i, int64_t part)
                              HWY_ATTR { return hn::Mul(hn::Sub(read(x + i, part), centre), scale); };
  if (gamma == nullptr) return fill_line(y, n, normalised);
  fill_line(y, n, [&](int64_t i, int64_t part) HWY_ATTR {
    const V h = normalised(i, part), weight = read(gamma + i, part);
    return beta == nullptr ? hn::Mul(h, weight) : hn::MulAdd(h, weight, read(beta + i, part));
  });
}

void backward(const float* x, const float* g, const float* gamma, int64_t n, float mean, float rstd, float* dx,
              float* dgamma, float* dbeta) {
  const V centre = constant(mean), scale = constant(rstd);
  const auto h = [&](int64_t i, int64_t part) HWY_ATTR { return hn::Mul(hn::Sub(read(x + i, part), centre), scale); };
  const auto u = [&](int64_t i, int64_t part) HWY_ATTR {
    const V grad = read(g + i, part);
    return gamma == nullptr ? grad : hn::Mul(grad, read(gamma + i, part));
  };
  if (dgamma != nullptr) {
    fill_line(dgamma, n, [&](int64_t i, int64_t part) HWY_ATTR {
      return hn::MulAdd(read(g + i, part), h(i, part), read(dgamma + i, part));
    });
    fill_line(dbeta, n,
              [&](int64_t i, int64_t part) HWY_ATTR { return hn::Add(read(dbeta + i, part), read(g + i, part)); });
  }
  if (dx == nullptr) return;
  const auto count = static_cast<double>(n);
  const V mean_u = constant(sum_over(n, u) / count);
  const V mean_uh =
      constant(sum_over(n, [&](int64_t i, int64_t part) HWY_ATTR { return hn::Mul(u(i, part), h(i, part)); }) / count);
  fill_line(dx, n, [&](int64_t i, int64_t part) HWY_ATTR {
    return hn::Mul(scale, hn::NegMulAdd(h(i, part), mean_uh, hn::Sub(u(i, part), mean_u)));
  });
}

LayerNormKernels<float> kernels() { return {forward, backward}; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ingot::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ingot::kernels {

HWY_EXPORT(kernels);

const LayerNormKernels<float>& simd_layer_norm() {
  static const LayerNormKernels<float> table = INGOT_DISPATCH(kernels)();
  return table;
}

}  // namespace ingot::kernels
#endif
