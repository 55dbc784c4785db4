#include "kernels/convert.h"

#include <array>
#include <cstring>

namespace ingot::kernels {
namespace {

template <class From, class To>
void run(const void* src, int64_t src_stride, void* dst, int64_t dst_stride, int64_t n) {
  const auto* from = static_cast<const From*>(src);
  auto* to = static_cast<To*>(dst);
  if (src_stride == 1 && dst_stride == 1) {
    if constexpr (std::is_same_v<From, To>) {
      std::memcpy(to, from, static_cast<size_t>(n) * sizeof(To));
    } else if constexpr (std::is_same_v<From, bf16> && std::is_same_v<To, float>) {
      f32_from_bf16(from, to, n);
    } else if constexpr (std::is_same_v<From, float> && std::is_same_v<To, bf16>) {
      bf16_from_f32(from, to, n);
    } else if constexpr (std::is_same_v<From, uint8_t> && std::is_same_v<To, float>) {
      f32_from_u8(from, to, n);
    } else {
      for (int64_t i = 0; i < n; ++i) to[i] = convert<To>(from[i]);
    }
    return;
  }
  for (int64_t i = 0; i < n; ++i) to[i * dst_stride] = convert<To>(from[i * src_stride]);
}

template <class... T>
struct Types {};
using All = Types<float, double, bf16, f16, int64_t, int32_t, uint8_t, int8_t, bool>;  // in DType's order

template <class From, class... To>
constexpr std::array<Converter, sizeof...(To)> row_of(Types<To...>) {
  return {&run<From, To>...};
}
template <class... From>
constexpr std::array<std::array<Converter, sizeof...(From)>, sizeof...(From)> table_of(Types<From...> all) {
  return {row_of<From>(all)...};
}
constexpr auto kTable = table_of(All());

}  // namespace

Converter converter(DType from, DType to) { return kTable[static_cast<size_t>(from)][static_cast<size_t>(to)]; }

}  // namespace ingot::kernels
