#pragma once

#include <cmath>
#include <limits>
#include <type_traits>

#include "ingot/dtype.h"

namespace ingot {

/// One value as another element type. Floating to integer truncates, saturates at the ends and makes NaN 0; integer to
/// narrower integer wraps; anything but 0 is true; f64 reaches the 16-bit types through f32.
template <class To, class From>
To convert(From x) {
  constexpr bool kHalf = std::is_same_v<To, bf16> || std::is_same_v<To, f16>;
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else if constexpr (std::is_same_v<From, bf16> || std::is_same_v<From, f16>) {
    return convert<To>(static_cast<float>(x));
  } else if constexpr (kHalf) {
    return To(static_cast<float>(x));
  } else if constexpr (std::is_same_v<To, bool>) {
    return x != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    constexpr From kLow = static_cast<From>(std::numeric_limits<To>::min());
    constexpr From kHigh = static_cast<From>(std::numeric_limits<To>::max());  // rounds up for i32, i64 of f32
    if (std::isnan(x)) return To(0);
    if (x <= kLow) return std::numeric_limits<To>::min();
    if (x >= kHigh) return std::numeric_limits<To>::max();
    return static_cast<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

}  // namespace ingot
