#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

/// The header before weights that are packed for our own convolutions, which names their form. Internal to
/// conv_gemm*.cpp, conv_winograd*.cpp and conv_depthwise*.cpp.
namespace ingot::kernels {

// The numbers are in files.
enum class PackedKind : int32_t { gemm, winograd2, winograd4, depthwise, winograd2_strided, winograd4_strided };

struct PackedHeader {
  PackedKind kind = PackedKind::gemm;
  int32_t width = 0;  // outputs of a strip, as the CPU tier's micro-kernel has them; depthwise: of any tier

  /// Of this CPU tier.
  static PackedHeader here(PackedKind kind);
  /// Throws Error where packed data does not start with one.
  static PackedHeader read(const void* packed);
  /// Writes it; returns where the weights go.
  float* write(void* packed) const;
  std::string format() const;  // "gemm:f32:16"
};
inline constexpr size_t kPackedHeaderBytes = 64;

/// What stands behind the header.
const float* packed_body(const void* packed);
/// The same. Throws Error unless it is of this CPU tier.
const float* packed_body_here(const void* packed);

/// Throws Error unless `packed` begins with a header of this kind and format and is as long as `bytes_of(width)` says;
/// `numel`: of the dense weights, which are no more.
void check_packed(std::span<const std::byte> packed, PackedKind kind, std::string_view format, int64_t numel,
                  const std::function<size_t(int64_t width)>& bytes_of);

}  // namespace ingot::kernels
