// Per-target include (no ordinary guard): f32 and f64 vectors from f32 and bf16 memory.
#if defined(INGOT_KERNELS_LOAD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef INGOT_KERNELS_LOAD_INL_H_
#undef INGOT_KERNELS_LOAD_INL_H_
#else
#define INGOT_KERNELS_LOAD_INL_H_
#endif

#include <hwy/highway.h>

#include "ingot/dtype.h"

HWY_BEFORE_NAMESPACE();
namespace ingot::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using F32 = hn::ScalableTag<float>;
using F64 = hn::ScalableTag<double>;
using V = hn::Vec<F32>;
using VD = hn::Vec<F64>;

/// As many elements as vectors of D have lanes; bf16 as f32.
template <class D, class T>
HWY_INLINE hn::Vec<D> load(D d, const T* p) {
  return hn::LoadU(d, p);
}
template <class D>
HWY_INLINE hn::Vec<D> load(D d, const bf16* p) {
  const hn::Rebind<uint16_t, D> du16;
  const hn::RebindToUnsigned<D> du32;
  const auto bits = hn::PromoteTo(du32, hn::LoadU(du16, reinterpret_cast<const uint16_t*>(p)));
  return hn::BitCast(d, hn::ShiftLeft<16>(bits));
}
template <class T>
HWY_INLINE V load(const T* p) {
  return load(F32(), p);
}

HWY_INLINE void store(V v, float* p) { hn::StoreU(v, F32(), p); }
/// Rounds to nearest even, a NaN stays one.
HWY_INLINE void store(V v, bf16* p) {
  const hn::Rebind<uint16_t, F32> du16;
  const hn::RebindToUnsigned<F32> du32;
  const hn::RebindToSigned<F32> di32;
  const auto bits = hn::BitCast(du32, v);
  const auto upper = hn::ShiftRight<16>(bits);
  const auto odd = hn::And(upper, hn::Set(du32, 1));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(du32, 0x7fff))));
  const auto quiet = hn::Or(upper, hn::Set(du32, 0x40));
  const auto half = hn::IfThenElse(hn::RebindMask(du32, hn::IsNaN(v)), quiet, rounded);
  hn::StoreU(hn::DemoteTo(du16, hn::BitCast(di32, half)), du16, reinterpret_cast<uint16_t*>(p));
}

/// As f64: half as many elements as `load` takes (as many on a target of one lane).
template <class T>
HWY_INLINE VD load_f64(const T* p) {
  return hn::PromoteTo(F64(), load(hn::Rebind<float, F64>(), p));
}
HWY_INLINE VD load_f64(const double* p) { return hn::LoadU(F64(), p); }

/// The first n elements at p, n less than a vector; the other lanes are 0.
HWY_INLINE V load_part(const float* p, int64_t n) {
#if HWY_TARGET == HWY_AVX2 || !HWY_MEM_OPS_MIGHT_FAULT  // AVX2 only lacks masks for narrower lanes
  return hn::MaskedLoad(hn::FirstN(F32(), static_cast<size_t>(n)), F32(), p);
#else
  HWY_ALIGN float padded[hn::MaxLanes(F32())] = {};
  for (int64_t i = 0; i < n; ++i) padded[i] = p[i];
  return hn::Load(F32(), padded);
#endif
}
HWY_INLINE V load_part(const bf16* p, int64_t n) {
  HWY_ALIGN float padded[hn::MaxLanes(F32())] = {};
  for (int64_t i = 0; i < n; ++i) padded[i] = p[i];
  return hn::Load(F32(), padded);
}

HWY_INLINE void store_part(V v, float* p, int64_t n) {
#if HWY_TARGET == HWY_AVX2 || !HWY_MEM_OPS_MIGHT_FAULT
  hn::BlendedStore(v, hn::FirstN(F32(), static_cast<size_t>(n)), F32(), p);
#else
  HWY_ALIGN float padded[hn::MaxLanes(F32())];
  hn::Store(v, F32(), padded);
  for (int64_t i = 0; i < n; ++i) p[i] = padded[i];
#endif
}
HWY_INLINE void store_part(V v, bf16* p, int64_t n) {
  HWY_ALIGN float padded[hn::MaxLanes(F32())];
  hn::Store(v, F32(), padded);
  for (int64_t i = 0; i < n; ++i) p[i] = bf16(padded[i]);
}

/// A vector of which there are `count` elements: all, or more, or fewer.
HWY_INLINE V read_some(const float* p, int64_t count) {
  return count >= static_cast<int64_t>(hn::MaxLanes(F32())) ? load(p) : load_part(p, count);
}
HWY_INLINE void write_some(V v, float* p, int64_t count) {
  count >= static_cast<int64_t>(hn::MaxLanes(F32())) ? store(v, p) : store_part(v, p, count);
}

/// A NaN stays one. x86's max and min give their second operand where one is a NaN.
HWY_INLINE V clip(V y, V low, V high) {
#if HWY_TARGET == HWY_SCALAR
  return hn::IfThenElse(hn::Lt(y, low), low, hn::IfThenElse(hn::Gt(y, high), high, y));
#else
  return hn::Min(high, hn::Max(low, y));
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace ingot::kernels
HWY_AFTER_NAMESPACE();

#endif
