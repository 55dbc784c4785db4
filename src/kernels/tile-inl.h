// Per-target include (no ordinary guard): the rows and columns of products that a micro-kernel holds in registers.
#if defined(INGOT_KERNELS_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef INGOT_KERNELS_TILE_INL_H_
#undef INGOT_KERNELS_TILE_INL_H_
#else
#define INGOT_KERNELS_TILE_INL_H_
#endif

#include <hwy/highway.h>

#include "kernels/load-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ingot::kernels {
namespace HWY_NAMESPACE {

// Two vectors of columns and as many rows as leave registers for two vectors of weights and one element of a row: on
// AVX-512 four less than that, eight. More hide no more latency, and rows whose distance is a multiple of 4 KB, which a
// first-level cache of 8 ways keeps in one set, then stay in it.
constexpr int kVectors = 2;
constexpr int64_t kLanes = hn::MaxLanes(F32());
constexpr int kRows = HWY_TARGET <= HWY_AVX3 ? 8 : 6;
constexpr int64_t kColumns = kVectors * kLanes;

/// The sums of R rows.
template <int R>
using Sums = V[R][kVectors];

/// Adds x w to a row's sums. GCC moves loads of later steps ahead and sums from register to register, and then some of
/// them to memory; so here, where all registers are taken, x is read where it is written and a sum stays where it is.
HWY_INLINE void add_row_products(V (&sums)[kVectors], const float* x, V w0, V w1) {
#if HWY_TARGET == HWY_AVX2
  asm volatile("" ::: "memory");
  const V all = hn::Set(F32(), *x);
  asm("vfmadd231ps %1, %2, %0" : "+x"(sums[0].raw) : "x"(w0.raw), "x"(all.raw));
  asm("vfmadd231ps %1, %2, %0" : "+x"(sums[1].raw) : "x"(w1.raw), "x"(all.raw));
#else
  const V all = hn::Set(F32(), *x);
  sums[0] = hn::MulAdd(all, w0, sums[0]);
  sums[1] = hn::MulAdd(all, w1, sums[1]);
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace ingot::kernels
HWY_AFTER_NAMESPACE();

#endif
