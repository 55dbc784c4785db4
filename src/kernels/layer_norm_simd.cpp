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

struct Sums {
  double u = 0, uh = 0;
};

// The sums over u and u h, and what the line adds to dgamma and dbeta, in one pass.
template <class U, class H>
HWY_INLINE Sums accumulate(const float* g, int64_t n, const U& u, const H& h, float* dgamma, float* dbeta) {
  Sums sums;
  for (int64_t first = 0; first < n; first += summed_at_once()) {
    WideSum sum_u, sum_uh;
    for_four_vectors(first, std::min(n, first + summed_at_once()), [&](int k, int64_t i, int64_t count) HWY_ATTR {
      const V grad = read(g + i, count), centred = h(i, count), v = only_first(u(grad, i, count), count);
      sum_u.add(k, v);
      sum_uh.add(k, hn::Mul(v, centred));
      if (dgamma == nullptr) return;
      write(hn::MulAdd(grad, centred, read(dgamma + i, count)), dgamma + i, count);
      write(hn::Add(grad, read(dbeta + i, count)), dbeta + i, count);
    });
    sums.u += sum_u.total();
    sums.uh += sum_uh.total();
  }
  return sums;
}

void backward(const float* x, const float* g, const float* gamma, int64_t n, float mean, float rstd, float* dx,
              float* dgamma, float* dbeta) {
  const V centre = constant(mean), scale = constant(rstd);
  const auto h = [&](int64_t i, int64_t part) HWY_ATTR { return hn::Mul(hn::Sub(read(x + i, part), centre), scale); };
  const auto u = [&](V grad, int64_t i, int64_t part)
                     HWY_ATTR { return gamma == nullptr ? grad : hn::Mul(grad, read(gamma + i, part)); };
  const Sums sums = accumulate(g, n, u, h, dgamma, dbeta);
  if (dx == nullptr) return;
  const auto count = static_cast<double>(n);
  const V mean_u = constant(sums.u / count), mean_uh = constant(sums.uh / count);
  fill_line(dx, n, [&](int64_t i, int64_t part) HWY_ATTR {
    const V centred_u = hn::Sub(u(read(g + i, part), i, part), mean_u);
    return hn::Mul(scale, hn::NegMulAdd(h(i, part), mean_uh, centred_u));
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
