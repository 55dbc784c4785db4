#pragma once

#include <type_traits>

#include "base/isa.h"
#include "base/visit_dtype.h"

/// HWY_DYNAMIC_DISPATCH under the cap of base/isa.h, which has to be set before Highway first looks at the CPU. After
/// the first call active_isa() is a load and a branch.
#define INGOT_DISPATCH(function) ((void)::ingot::active_isa(), HWY_DYNAMIC_DISPATCH(function))

namespace ingot::kernels {

/// The type that a kernel computes in for elements of T.
template <class T>
using ComputeType = std::conditional_t<std::is_same_v<T, bf16> || std::is_same_v<T, f16>, float, T>;
constexpr DType compute_dtype(DType dtype) { return dtype == DType::bf16 ? DType::f32 : dtype; }

}  // namespace ingot::kernels
