#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/convert.h"
#include "kernels/dispatch.h"
#include "kernels/elementwise_kernels.h"
#include "kernels/load-inl.h"
#include "kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ingot::kernels {
namespace HWY_NAMESPACE {
namespace {

// Operations are tag types with a static `of`. The last elements of a run go through the same vector code, so that a
// result does not depend on where a run ends.
#define INGOT_UNARY(name, ...)           \
  struct name {                          \
    static HWY_INLINE V of(F32 d, V x) { \
      (void)d;                           \
      return __VA_ARGS__;                \
    }                                    \
  };
#define INGOT_BINARY(name, ...)                                 \
  struct name {                                                 \
    static HWY_INLINE auto of(V a, V b) { return __VA_ARGS__; } \
  };
#define INGOT_ACTIVATION(name, ...)               \
  struct name {                                   \
    static HWY_INLINE V of(F32 d, V x, V alpha) { \
      (void)d, (void)alpha;                       \
      return __VA_ARGS__;                         \
    }                                             \
  };

HWY_INLINE V constant(float value) { return hn::Set(F32(), value); }

// [0, high] with NaN kept.
HWY_INLINE V clamp(F32 d, V x, float high) {
  const V bound = hn::Set(d, high);
  return hn::IfThenElse(hn::Gt(x, bound), bound, hn::IfThenZeroElse(hn::Le(x, hn::Zero(d)), x));
}
HWY_INLINE V sign(F32 d, V x) {
  const V zero = hn::Zero(d);
  return hn::IfThenElse(hn::Gt(x, zero), constant(1), hn::IfThenElse(hn::Lt(x, zero), constant(-1), zero));
}
// x tanh(softplus(x)) = x t / (t + 2) with t = e^x (e^x + 2)
HWY_INLINE V mish(F32 d, V x) {
  const V e = math::exp(d, hn::Min(x, constant(30)));
  const V t = hn::Mul(e, hn::Add(e, constant(2)));
  return hn::Mul(x, hn::Div(t, hn::Add(t, constant(2))));
}
HWY_INLINE V gelu(F32 d, V x) { return hn::Mul(x, math::normal(d, x).share); }
HWY_INLINE V hardsigmoid(F32 d, V x) { return hn::Mul(clamp(d, hn::Add(x, constant(3)), 6), constant(1.f / 6)); }

INGOT_UNARY(Neg, hn::Neg(x))
INGOT_UNARY(Abs, hn::Abs(x))
INGOT_UNARY(Sign, sign(d, x))
INGOT_UNARY(Square, hn::Mul(x, x))
INGOT_UNARY(Sqrt, hn::Sqrt(x))
INGOT_UNARY(Rsqrt, hn::Div(constant(1), hn::Sqrt(x)))
INGOT_UNARY(Reciprocal, hn::Div(constant(1), x))
INGOT_UNARY(Exp, math::exp(d, x))
INGOT_UNARY(Expm1, math::expm1(d, x))
INGOT_UNARY(Log, math::log(d, x))
INGOT_UNARY(Log1p, math::log1p(d, x))
INGOT_UNARY(Floor, hn::Floor(x))
INGOT_UNARY(Ceil, hn::Ceil(x))
INGOT_UNARY(Round, hn::Round(x))
INGOT_UNARY(Relu, hn::IfThenZeroElse(hn::Le(x, hn::Zero(d)), x))
INGOT_UNARY(Sigmoid, math::sigmoid(d, x))
INGOT_UNARY(Tanh, math::tanh(d, x))
INGOT_UNARY(Erf, math::erf(d, x))
INGOT_UNARY(Softplus, math::softplus(d, x))

INGOT_BINARY(AddOp, hn::Add(a, b))
INGOT_BINARY(SubOp, hn::Sub(a, b))
INGOT_BINARY(MulOp, hn::Mul(a, b))
INGOT_BINARY(DivOp, hn::Div(a, b))
INGOT_BINARY(Maximum, hn::IfThenElse(hn::Or(hn::Gt(a, b), hn::IsNaN(a)), a, b))
INGOT_BINARY(Minimum, hn::IfThenElse(hn::Or(hn::Lt(a, b), hn::IsNaN(a)), a, b))
INGOT_BINARY(EqOp, hn::Eq(a, b))
INGOT_BINARY(NeOp, hn::Not(hn::Eq(a, b)))  // Ne is false for NaN on AVX-512
INGOT_BINARY(LtOp, hn::Lt(a, b))
INGOT_BINARY(LeOp, hn::Le(a, b))
INGOT_BINARY(GtOp, hn::Gt(a, b))
INGOT_BINARY(GeOp, hn::Ge(a, b))

INGOT_ACTIVATION(Relu6, clamp(d, x, 6))
INGOT_ACTIVATION(LeakyRelu, hn::IfThenElse(hn::Gt(x, hn::Zero(d)), x, hn::Mul(alpha, x)))
INGOT_ACTIVATION(Elu, hn::IfThenElse(hn::Gt(x, hn::Zero(d)), x, hn::Mul(alpha, math::expm1(d, x))))
INGOT_ACTIVATION(Silu, hn::Mul(x, math::sigmoid(d, x)))
INGOT_ACTIVATION(Gelu, gelu(d, x))
INGOT_ACTIVATION(HardSwish, hn::Mul(x, hardsigmoid(d, x)))
INGOT_ACTIVATION(HardSigmoid, hardsigmoid(d, x))
INGOT_ACTIVATION(Mish, mish(d, x))

#undef INGOT_UNARY
#undef INGOT_BINARY
#undef INGOT_ACTIVATION

// y[i] = f(x[i]).
template <class F>
HWY_INLINE void map1(const void* const* in, void* out, int64_t n, const F& f) {
  const F32 d;
  const auto* x = static_cast<const float*>(in[0]);
  auto* y = static_cast<float*>(out);
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(f(hn::LoadU(d, x + i)), d, y + i);
  if (i < n) store_part(f(load_part(x + i, n - i)), y + i, n - i);
}

template <class Op>
void run_unary(const void* const* in, void* out, int64_t n, double) {
  map1(in, out, n, [](V x) HWY_ATTR { return Op::of(F32(), x); });
}

template <class Op>
void run_activation(const void* const* in, void* out, int64_t n, double alpha) {
  const V slope = constant(static_cast<float>(alpha));
  map1(in, out, n, [slope](V x) HWY_ATTR { return Op::of(F32(), x, slope); });
}

template <class Op>
void run_binary(const void* const* in, void* out, int64_t n, double) {
  const F32 d;
  const auto *a = static_cast<const float*>(in[0]), *b = static_cast<const float*>(in[1]);
  auto* y = static_cast<float*>(out);
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(Op::of(hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, y + i);
  if (i < n) store_part(Op::of(load_part(a + i, n - i), load_part(b + i, n - i)), y + i, n - i);
}

template <class Op>
void run_compare(const void* const* in, void* out, int64_t n, double) {
  const F32 d;
  const hn::RebindToSigned<F32> di;
  const hn::Rebind<uint8_t, F32> du8;
  const auto *a = static_cast<const float*>(in[0]), *b = static_cast<const float*>(in[1]);
  auto* y = static_cast<uint8_t*>(out);
  const auto truth = [&](V va, V vb) HWY_ATTR {
    return hn::DemoteTo(du8, hn::IfThenElseZero(hn::RebindMask(di, Op::of(va, vb)), hn::Set(di, 1)));
  };
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(truth(hn::LoadU(d, a + i), hn::LoadU(d, b + i)), du8, y + i);
  if (i == n) return;
  HWY_ALIGN uint8_t rest[hn::MaxLanes(F32())];
  hn::StoreU(truth(load_part(a + i, n - i), load_part(b + i, n - i)), du8, rest);
  for (int64_t j = 0; j < n - i; ++j) y[i + j] = rest[j];
}

MapKernel unary_kernel(Unary op) {
  switch (op) {
    case Unary::neg:
      return run_unary<Neg>;
    case Unary::abs:
      return run_unary<Abs>;
    case Unary::sign:
      return run_unary<Sign>;
    case Unary::square:
      return run_unary<Square>;
    case Unary::sqrt:
      return run_unary<Sqrt>;
    case Unary::rsqrt:
      return run_unary<Rsqrt>;
    case Unary::reciprocal:
      return run_unary<Reciprocal>;
    case Unary::exp:
      return run_unary<Exp>;
    case Unary::expm1:
      return run_unary<Expm1>;
    case Unary::log:
      return run_unary<Log>;
    case Unary::log1p:
      return run_unary<Log1p>;
    case Unary::floor:
      return run_unary<Floor>;
    case Unary::ceil:
      return run_unary<Ceil>;
    case Unary::round:
      return run_unary<Round>;
    case Unary::relu:
      return run_unary<Relu>;
    case Unary::sigmoid:
      return run_unary<Sigmoid>;
    case Unary::tanh:
      return run_unary<Tanh>;
    case Unary::erf:
      return run_unary<Erf>;
    case Unary::softplus:
      return run_unary<Softplus>;
    case Unary::sin:
    case Unary::cos:
      return nullptr;
  }
  return nullptr;
}

MapKernel binary_kernel(Binary op) {
  switch (op) {
    case Binary::add:
      return run_binary<AddOp>;
    case Binary::sub:
      return run_binary<SubOp>;
    case Binary::mul:
      return run_binary<MulOp>;
    case Binary::div:
      return run_binary<DivOp>;
    case Binary::maximum:
      return run_binary<Maximum>;
    case Binary::minimum:
      return run_binary<Minimum>;
    case Binary::eq:
      return run_compare<EqOp>;
    case Binary::ne:
      return run_compare<NeOp>;
    case Binary::lt:
      return run_compare<LtOp>;
    case Binary::le:
      return run_compare<LeOp>;
    case Binary::gt:
      return run_compare<GtOp>;
    case Binary::ge:
      return run_compare<GeOp>;
    case Binary::pow:
      return nullptr;
  }
  return nullptr;
}

MapKernel activation_kernel(Activation activation) {
  switch (activation) {
    case Activation::none:
      return nullptr;
    case Activation::relu:
      return run_unary<Relu>;
    case Activation::relu6:
      return run_activation<Relu6>;
    case Activation::leaky_relu:
      return run_activation<LeakyRelu>;
    case Activation::elu:
      return run_activation<Elu>;
    case Activation::sigmoid:
      return run_unary<Sigmoid>;
    case Activation::tanh:
      return run_unary<Tanh>;
    case Activation::silu:
      return run_activation<Silu>;
    case Activation::gelu:
      return run_activation<Gelu>;
    case Activation::hardswish:
      return run_activation<HardSwish>;
    case Activation::hardsigmoid:
      return run_activation<HardSigmoid>;
    case Activation::mish:
      return run_activation<Mish>;
  }
  return nullptr;
}

// Conversions of contiguous runs.

void promote_bf16(const bf16* src, float* dst, int64_t n) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(F32()));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(load(src + i), dst + i);
  for (; i < n; ++i) dst[i] = static_cast<float>(src[i]);
}

void demote_bf16(const float* src, bf16* dst, int64_t n) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(F32()));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(load(src + i), dst + i);
  for (; i < n; ++i) dst[i] = bf16(src[i]);
}

void promote_u8(const uint8_t* src, float* dst, int64_t n) {
  const F32 d;
  const hn::RebindToSigned<F32> di32;
  const hn::Rebind<uint8_t, F32> du8;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    hn::StoreU(hn::ConvertTo(d, hn::PromoteTo(di32, hn::LoadU(du8, src + i))), d, dst + i);
  for (; i < n; ++i) dst[i] = static_cast<float>(src[i]);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ingot::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ingot::kernels {

HWY_EXPORT(unary_kernel);
HWY_EXPORT(binary_kernel);
HWY_EXPORT(activation_kernel);
HWY_EXPORT(promote_bf16);
HWY_EXPORT(demote_bf16);
HWY_EXPORT(promote_u8);

MapKernel simd_kernel(Unary op) { return INGOT_DISPATCH(unary_kernel)(op); }
MapKernel simd_kernel(Binary op) { return INGOT_DISPATCH(binary_kernel)(op); }
MapKernel simd_kernel(Activation activation) { return INGOT_DISPATCH(activation_kernel)(activation); }

void f32_from_bf16(const bf16* src, float* dst, int64_t n) { INGOT_DISPATCH(promote_bf16)(src, dst, n); }
void bf16_from_f32(const float* src, bf16* dst, int64_t n) { INGOT_DISPATCH(demote_bf16)(src, dst, n); }
void f32_from_u8(const uint8_t* src, float* dst, int64_t n) { INGOT_DISPATCH(promote_u8)(src, dst, n); }

}  // namespace ingot::kernels
#endif
