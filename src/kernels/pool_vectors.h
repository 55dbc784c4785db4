// Vectors and stores of channels for the pooling kernels. Included once per Highway target, hence no ordinary guard.
#if defined(INGOT_POOL_VECTORS) == defined(HWY_TARGET_TOGGLE)
#ifdef INGOT_POOL_VECTORS
#undef INGOT_POOL_VECTORS
#else
#define INGOT_POOL_VECTORS
#endif

#include <hwy/highway.h>

#include "ingot/dtype.h"
#include "kernels/load-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ingot::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// The vector of what a T is computed in: f64 in f64, the others in f32.
template <class T>
using Accumulator = std::conditional_t<std::is_same_v<T, double>, double, float>;
template <class T>
using Lanes = hn::ScalableTag<Accumulator<T>>;

template <class D, class T>
void store(hn::Vec<D> v, D d, T* p) {
  if constexpr (std::is_same_v<T, bf16>) {
    HWY_ALIGN float lanes[hn::MaxLanes(D())];
    hn::Store(v, d, lanes);
    for (size_t i = 0; i < hn::Lanes(d); ++i) p[i] = bf16(lanes[i]);
  } else {
    hn::StoreU(v, d, p);
  }
}

}  // namespace ingot::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
