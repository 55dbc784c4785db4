#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/activation_grad_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/dispatch.h"
#include "kernels/elementwise_kernels.h"
#include "kernels/load-inl.h"
#include "kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ingot::kernels {
namespace HWY_NAMESPACE {
namespace {

HWY_INLINE V constant(float value) { return hn::Set(F32(), value); }
HWY_INLINE auto above(V x, float bound) { return hn::Gt(x, constant(bound)); }
HWY_INLINE auto below(V x, float bound) { return hn::Lt(x, constant(bound)); }
HWY_INLINE V one_less(V x) { return hn::Sub(constant(1), x); }

// g f'(x), as tag types; x is the result for relu, sigmoid and tanh.
#define INGOT_GRADIENT(name, ...)                      \
  struct name {                                        \
    static HWY_INLINE V of(F32 d, V x, V g, V alpha) { \
      (void)d, (void)alpha;                            \
      return __VA_ARGS__;                              \
    }                                                  \
  };

HWY_INLINE V silu(F32 d, V x) {
  const V s = math::sigmoid(d, x);
  return hn::Mul(s, hn::MulAdd(x, one_less(s), constant(1)));
}
HWY_INLINE V gelu(F32 d, V x) {
  const auto [share, bell] = math::normal(d, x);
  return hn::MulAdd(x, hn::Mul(bell, constant(0.398942280401432678f)), share);
}
HWY_INLINE V hardswish(F32 d, V x) {
  const V middle = hn::MulAdd(x, constant(1.f / 3), constant(0.5f));
  return hn::IfThenElse(above(x, 3), constant(1), hn::IfThenElse(below(x, -3), hn::Zero(d), middle));
}
// tanh(softplus(x)) = t / (t + 2) with t = e^x (e^x + 2)
HWY_INLINE V mish(F32 d, V x) {
  const V e = math::exp(d, hn::Min(x, constant(30)));
  const V t = hn::Mul(e, hn::Add(e, constant(2)));
  const V tanh = hn::Div(t, hn::Add(t, constant(2)));
  return hn::MulAdd(hn::Mul(x, math::sigmoid(d, x)), hn::NegMulAdd(tanh, tanh, constant(1)), tanh);
}

INGOT_GRADIENT(Relu, hn::IfThenElseZero(above(x, 0), g))
INGOT_GRADIENT(Relu6, hn::IfThenElseZero(hn::And(above(x, 0), below(x, 6)), g))
INGOT_GRADIENT(LeakyRelu, hn::IfThenElse(above(x, 0), g, hn::Mul(alpha, g)))
INGOT_GRADIENT(Elu, hn::IfThenElse(above(x, 0), g, hn::Mul(g, hn::Mul(alpha, math::exp(d, x)))))
INGOT_GRADIENT(Sigmoid, hn::Mul(g, hn::Mul(x, one_less(x))))
INGOT_GRADIENT(Tanh, hn::Mul(g, hn::NegMulAdd(x, x, constant(1))))
INGOT_GRADIENT(Silu, hn::Mul(g, silu(d, x)))
INGOT_GRADIENT(Gelu, hn::Mul(g, gelu(d, x)))
INGOT_GRADIENT(HardSwish, hn::Mul(g, hardswish(d, x)))
INGOT_GRADIENT(HardSigmoid, hn::IfThenElseZero(hn::And(above(x, -3), below(x, 3)), hn::Mul(g, constant(1.f / 6))))
INGOT_GRADIENT(Mish, hn::Mul(g, mish(d, x)))
#undef INGOT_GRADIENT

// The last elements go through the same vector code, so that a result does not depend on where a run ends.
template <class Op>
void run(const void* const* in, void* out, int64_t n, double alpha) {
  const F32 d;
  const V scale = constant(static_cast<float>(alpha));
  const auto *x = static_cast<const float*>(in[0]), *g = static_cast<const float*>(in[1]);
  auto* dx = static_cast<float*>(out);
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(Op::of(d, load(x + i), load(g + i), scale), dx + i);
  if (i < n) store_part(Op::of(d, load_part(x + i, n - i), load_part(g + i, n - i), scale), dx + i, n - i);
}

MapKernel kernel(Activation activation) {
  constexpr MapKernel kTable[] = {nullptr,   run<Relu>, run<Relu6>, run<LeakyRelu>, run<Elu>,         run<Sigmoid>,
                                  run<Tanh>, run<Silu>, run<Gelu>,  run<HardSwish>, run<HardSigmoid>, run<Mish>};
  static_assert(std::size(kTable) == static_cast<size_t>(Activation::mish) + 1);
  return kTable[static_cast<size_t>(activation)];
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ingot::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ingot::kernels {

HWY_EXPORT(kernel);

MapKernel simd_gradient(Activation activation) { return INGOT_DISPATCH(kernel)(activation); }

}  // namespace ingot::kernels
#endif
