// Per-target include (no ordinary guard): f32 functions on Highway vectors, each within 4 ulp, infinities and NaN as in
// <cmath>. Polynomials are Taylor series unless a comment says how they were fitted.
#if defined(INGOT_KERNELS_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef INGOT_KERNELS_MATH_INL_H_
#undef INGOT_KERNELS_MATH_INL_H_
#else
#define INGOT_KERNELS_MATH_INL_H_
#endif

#include <hwy/highway.h>

#include <limits>

HWY_BEFORE_NAMESPACE();
namespace ingot::kernels {
namespace HWY_NAMESPACE {
namespace math {

namespace hn = hwy::HWY_NAMESPACE;

template <class D>
using Vec = hn::Vec<D>;

/// c0 + c1 x + c2 x^2 + ...
template <class D>
HWY_INLINE Vec<D> polynomial(D d, Vec<D>, float c0) {
  return hn::Set(d, c0);
}
template <class D, class... Rest>
HWY_INLINE Vec<D> polynomial(D d, Vec<D> x, float c0, Rest... rest) {
  return hn::MulAdd(polynomial(d, x, rest...), x, hn::Set(d, c0));
}

template <class D>
HWY_INLINE Vec<D> keep_nan(Vec<D> x, Vec<D> y) {
  return hn::IfThenElse(hn::IsNaN(x), x, y);
}

/// 2^i for i in [-126, 127].
template <class D, class VI>
HWY_INLINE Vec<D> power_of_two(D d, VI i) {
  const hn::RebindToSigned<D> di;
  return hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(i, hn::Set(di, 127))));
}

/// x = n ln2 + r with |r| <= ln2 / 2; returns n, leaves r in x. ln2 is split so that n * kHigh is exact.
template <class D>
HWY_INLINE Vec<D> reduce_by_ln2(D d, Vec<D>& x) {
  constexpr float kHigh = 0x1.62e4p-1f, kLow = 1.42860682030941723e-6f;
  const auto n = hn::Round(hn::Mul(x, hn::Set(d, 1.44269504088896341f)));
  x = hn::NegMulAdd(n, hn::Set(d, kLow), hn::NegMulAdd(n, hn::Set(d, kHigh), x));
  return n;
}

/// e^r - 1 for |r| <= ln2 / 2.
template <class D>
HWY_INLINE Vec<D> expm1_small(D d, Vec<D> r) {
  const auto tail = polynomial(d, r, 1.f / 2, 1.f / 6, 1.f / 24, 1.f / 120, 1.f / 720, 1.f / 5040);
  return hn::MulAdd(hn::Mul(r, r), tail, r);
}

template <class D>
HWY_INLINE Vec<D> exp(D d, Vec<D> x) {
  const hn::RebindToSigned<D> di;
  // beyond these the result is 0 or infinity, which the two factors of 2^n still reach
  auto r = hn::Min(hn::Max(x, hn::Set(d, -105.f)), hn::Set(d, 90.f));
  const auto n = hn::ConvertTo(di, reduce_by_ln2(d, r));
  const auto half = hn::ShiftRight<1>(n);
  const auto p = hn::Add(hn::Set(d, 1.f), expm1_small(d, r));
  return keep_nan<D>(x, hn::Mul(hn::Mul(p, power_of_two(d, half)), power_of_two(d, hn::Sub(n, half))));
}

/// e^x for x <= 0; below -87.3, where it would be denormal, it is 0. Adding 1.5 * 2^23 rounds to the nearest integer,
/// which is then in the lowest bits: here with the exponent's bias, so that a shift makes 2^n of it.
template <class D>
HWY_INLINE Vec<D> exp_down(D d, Vec<D> x) {
  constexpr float kHigh = 0x1.62e4p-1f, kLow = 1.42860682030941723e-6f;
  const auto least = hn::Set(d, -87.3f), rounder = hn::Set(d, 0x1.8p23f + 127);
  const auto vanishes = hn::Lt(x, least);
  auto r = hn::IfThenElse(vanishes, least, x);  // NaN stays
  const auto biased = hn::MulAdd(r, hn::Set(d, 1.44269504088896341f), rounder);
  const auto n = hn::Sub(biased, rounder);
  r = hn::NegMulAdd(n, hn::Set(d, kLow), hn::NegMulAdd(n, hn::Set(d, kHigh), r));
  const auto scale = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(hn::RebindToSigned<D>(), biased)));
  return hn::IfThenZeroElse(vanishes, hn::MulAdd(scale, expm1_small(d, r), scale));
}

/// e^x - 1 = 2^n (e^r - 1) + (2^n - 1), for x <= 30; below -30 it is -1 to the last bit.
template <class D>
HWY_INLINE Vec<D> expm1_bounded(D d, Vec<D> x) {
  const hn::RebindToSigned<D> di;
  auto r = hn::Min(hn::Max(x, hn::Set(d, -30.f)), hn::Set(d, 30.f));
  const auto scale = power_of_two(d, hn::ConvertTo(di, reduce_by_ln2(d, r)));
  return hn::MulAdd(scale, expm1_small(d, r), hn::Sub(scale, hn::Set(d, 1.f)));
}

template <class D>
HWY_INLINE Vec<D> expm1(D d, Vec<D> x) {
  const auto y = hn::IfThenElse(hn::Gt(x, hn::Set(d, 30.f)), exp(d, x), expm1_bounded(d, x));
  return keep_nan<D>(x, hn::IfThenElse(hn::Eq(x, hn::Zero(d)), x, y));
}

/// x = 2^k m with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh(s), s = (m - 1) / (m + 1).
template <class D>
HWY_INLINE Vec<D> log(D d, Vec<D> x) {
  const hn::RebindToSigned<D> di;
  constexpr float kHigh = 0x1.62e4p-1f, kLow = 1.42860682030941723e-6f,
                  kInfinity = std::numeric_limits<float>::infinity();
  const auto zero = hn::Zero(d), one = hn::Set(d, 1.f);
  const auto tiny = hn::Lt(x, hn::Set(d, 0x1p-126f));
  const auto scaled = hn::IfThenElse(tiny, hn::Mul(x, hn::Set(d, 0x1p25f)), x);
  // bits of sqrt(1/2) are taken off, so that the exponent's field rounds to the nearest power
  const auto bits = hn::Sub(hn::BitCast(di, scaled), hn::Set(di, 0x3f3504f3));
  const auto mantissa = hn::Add(hn::And(bits, hn::Set(di, 0x007fffff)), hn::Set(di, 0x3f3504f3));
  auto k = hn::ConvertTo(d, hn::ShiftRight<23>(bits));
  k = hn::Sub(k, hn::IfThenElse(tiny, hn::Set(d, 25.f), zero));
  const auto f = hn::Sub(hn::BitCast(d, mantissa), one);
  const auto s = hn::Div(f, hn::Add(hn::Set(d, 2.f), f));
  const auto z = hn::Mul(s, s);
  // 2 atanh(s) = 2s + s z (2/3 + 2/5 z + ...), and 2s = f - s f: the sum keeps f exact
  const auto tail = hn::Mul(z, polynomial(d, z, 2.f / 3, 2.f / 5, 2.f / 7, 2.f / 9, 2.f / 11));
  const auto small = hn::MulAdd(k, hn::Set(d, kLow), hn::Mul(s, hn::Sub(tail, f)));
  auto y = hn::MulAdd(k, hn::Set(d, kHigh), hn::Add(f, small));
  y = hn::IfThenElse(hn::Eq(x, zero), hn::Set(d, -kInfinity), y);
  y = hn::IfThenElse(hn::Eq(x, hn::Set(d, kInfinity)), x, y);
  return hn::IfThenElse(hn::Ge(x, zero), y, hn::Set(d, std::numeric_limits<float>::quiet_NaN()));
}

/// log(1 + x) = log(u) * x / (u - 1) with u = 1 + x as rounded: u's error cancels (Goldberg 1991, theorem 4).
template <class D>
HWY_INLINE Vec<D> log1p(D d, Vec<D> x) {
  const auto one = hn::Set(d, 1.f);
  const auto u = hn::Add(one, x);
  const auto y = hn::Mul(log(d, u), hn::Div(x, hn::Sub(u, one)));
  const auto same = hn::Or(hn::Eq(u, one), hn::Eq(x, hn::Set(d, std::numeric_limits<float>::infinity())));
  return hn::IfThenElse(same, x, y);
}

template <class D>
HWY_INLINE Vec<D> sigmoid(D d, Vec<D> x) {
  const auto one = hn::Set(d, 1.f);
  const auto e = exp(d, hn::Neg(hn::Abs(x)));
  const auto y = hn::Div(hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, one), hn::Add(one, e));
  return keep_nan<D>(x, y);
}

template <class D>
HWY_INLINE Vec<D> tanh(D d, Vec<D> x) {
  const auto magnitude = hn::Min(hn::Abs(x), hn::Set(d, 10.f));  // 1 to the last bit from 9.02
  const auto e = expm1_bounded(d, hn::Add(magnitude, magnitude));
  return keep_nan<D>(x, hn::CopySign(hn::Div(e, hn::Add(e, hn::Set(d, 2.f))), x));
}

/// |x| < 1: x P(x^2). Up to 4: 1 - e^(-x^2) Q(u), u = (|x| - 2.5) / 1.5. P and Q interpolate erf(x)/x and
/// e^(x^2) erfc(x) at Chebyshev nodes; erf errs by 1.3e-9 (relative) and 2e-8.
template <class D>
HWY_INLINE Vec<D> erf(D d, Vec<D> x) {
  const auto magnitude = hn::Min(hn::Abs(x), hn::Set(d, 4.f));
  const auto square = hn::Mul(x, x);
  const auto near = hn::Mul(
      x, polynomial(d, square, 1.1283791658483504f, -0.3761262666672015f, 0.11283594715157973f, -0.026854212010473333f,
                    0.005189087423088625f, -0.0008016864284091492f, 7.875875053287018e-05f));
  const auto u = hn::Mul(hn::Sub(magnitude, hn::Set(d, 2.5f)), hn::Set(d, 1 / 1.5f));
  const auto q =
      polynomial(d, u, 0.21080636406114353f, -0.11152139054306956f, 0.0561106279944903f, -0.026997937418426498f,
                 0.012486699636300025f, -0.005611233636631488f, 0.0024183842291564824f, -0.000916272602596635f,
                 0.0003764772747406911f, -0.0002451864515371292f, 9.294974297866723e-05f);
  const auto far = hn::NegMulAdd(exp(d, hn::Neg(hn::Mul(magnitude, magnitude))), q, hn::Set(d, 1.f));
  return keep_nan<D>(x, hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, 1.f)), near, hn::CopySign(far, x)));
}

/// Phi(x), the normal distribution's share below x, and e^(-x^2/2). The tail below -|x| is e^(-x^2/2) R(|x|), R a
/// rational function fitted with a relative error of 5e-9 up to |x| = 13.2, beyond which the tail is 0: Phi errs by
/// 6e-8, below 0 by no more than (4 + x^2) 6e-8 of itself; without fused multiply-add by 7e-8.
template <class D>
struct Normal {
  Vec<D> share, bell;
};
template <class D>
HWY_INLINE Normal<D> normal(D d, Vec<D> x) {
  const auto u = hn::Min(hn::Abs(x), hn::Set(d, 13.2f));
  const auto bell = exp_down(d, hn::Mul(hn::Mul(x, x), hn::Set(d, -0.5f)));
  const auto above =
      polynomial(d, u, 0.5f, 0.4354578794960399f, 0.1811384509376851f, 0.039927661145614204f, 0.0040118525839551765f);
  const auto below = polynomial(d, u, 1.f, 1.668800672521086f, 1.193783113819956f, 0.46393612724265f,
                                0.10009127197710696f, 0.010056077683826584f);
  const auto tail = hn::Mul(bell, hn::Div(above, below));
  return {hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(hn::Set(d, 1.f), tail)), bell};
}

template <class D>
HWY_INLINE Vec<D> softplus(D d, Vec<D> x) {
  const auto zero = hn::Zero(d);
  return hn::Add(hn::IfThenElse(hn::Gt(x, zero), x, zero), log1p(d, exp(d, hn::Neg(hn::Abs(x)))));
}

}  // namespace math
}  // namespace HWY_NAMESPACE
}  // namespace ingot::kernels
HWY_AFTER_NAMESPACE();

#endif
