#include "ingot/dtype.h"

#include <array>
#include <cmath>

namespace ingot {
namespace {

struct Row {
  std::string_view name;
  size_t bytes;
  bool floating;
};

constexpr std::array<Row, 9> kRows{{{"f32", 4, true},
                                    {"f64", 8, true},
                                    {"bf16", 2, true},
                                    {"f16", 2, true},
                                    {"i64", 8, false},
                                    {"i32", 4, false},
                                    {"u8", 1, false},
                                    {"i8", 1, false},
                                    {"bool", 1, false}}};

const Row& row(DType dtype) { return kRows[static_cast<size_t>(dtype)]; }

}  // namespace

size_t size_of(DType dtype) { return row(dtype).bytes; }
std::string_view name_of(DType dtype) { return row(dtype).name; }
bool is_floating(DType dtype) { return row(dtype).floating; }

std::optional<DType> parse_dtype(std::string_view name) {
  for (size_t i = 0; i < kRows.size(); ++i)
    if (kRows[i].name == name) return static_cast<DType>(i);
  return std::nullopt;
}

// Round to nearest even; values past 65504 become infinity, the smallest become subnormal or zero.
f16::f16(float value) {
  const auto u = std::bit_cast<uint32_t>(value);
  const auto sign = uint16_t((u >> 16) & 0x8000u);
  const float magnitude = std::fabs(value);
  if (std::isnan(value)) {
    bits = sign | 0x7e00u;
  } else if (magnitude >= 65520.f) {
    bits = sign | 0x7c00u;
  } else if (magnitude < 6.103515625e-05f) {  // below 2^-14: a multiple of 2^-24
    bits = sign | uint16_t(std::nearbyintf(magnitude * 16777216.f));
  } else {
    const uint32_t m = u & 0x7fffffffu;
    bits = sign | uint16_t((m - 0x38000000u + 0xfffu + ((m >> 13) & 1u)) >> 13);
  }
}

f16::operator float() const {
  const float sign = (bits & 0x8000u) ? -1.f : 1.f;
  const uint32_t exponent = (bits >> 10) & 0x1fu, mantissa = bits & 0x3ffu;
  if (exponent == 0) return sign * float(mantissa) / 16777216.f;
  if (exponent == 31) return mantissa ? std::nanf("") : sign * INFINITY;
  return std::bit_cast<float>((uint32_t(bits & 0x8000u) << 16) | ((exponent + 112u) << 23) | (mantissa << 13));
}

}  // namespace ingot
