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

// Two vectors of columns and as many rows as leave registers for two vectors of weights and one element of a row.
constexpr int kVectors = 2;
constexpr int64_t kLanes = hn::MaxLanes(F32());
constexpr int kRows = HWY_TARGET <= HWY_AVX3 ? 12 : 6;
constexpr int64_t kColumns = kVectors * kLanes;

/// The sums of R rows.
template <int R>
using Sums = V[R][kVectors];

}  // namespace HWY_NAMESPACE
}  // namespace ingot::kernels
HWY_AFTER_NAMESPACE();

#endif
