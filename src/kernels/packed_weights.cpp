#include "kernels/packed_weights.h"

#include <array>
#include <cstring>

#include "base/check.h"
#include "kernels/gemm.h"

namespace ingot::kernels {
namespace {

constexpr std::array<char, 8> kMagic{'i', 'n', 'g', 'o', 't', 'p', 'w', '1'};
constexpr std::string_view kNames[] = {"gemm:f32",      "winograd2:f32",         "winograd4:f32",
                                       "depthwise:f32", "winograd2_strided:f32", "winograd4_strided:f32"};

}  // namespace

PackedHeader PackedHeader::here(PackedKind kind) { return {.kind = kind, .width = gemm::tile().columns}; }

PackedHeader PackedHeader::read(const void* packed) {
  std::array<char, kMagic.size()> magic;
  PackedHeader header;
  const auto* const bytes = static_cast<const std::byte*>(packed);
  std::memcpy(&magic, bytes, magic.size());
  std::memcpy(&header, bytes + magic.size(), sizeof header);
  const auto kind = static_cast<int32_t>(header.kind);
  const bool known = kind >= 0 && kind < static_cast<int32_t>(std::size(kNames)) && header.width > 0 &&
                     header.width <= gemm::kMostColumns;
  CHECK(magic == kMagic && known, "packed convolution weights do not start with a header; pack them anew");
  return header;
}

float* PackedHeader::write(void* packed) const {
  auto* const bytes = static_cast<std::byte*>(packed);
  std::memset(bytes, 0, kPackedHeaderBytes);
  std::memcpy(bytes, &kMagic, kMagic.size());
  std::memcpy(bytes + kMagic.size(), this, sizeof *this);
  return reinterpret_cast<float*>(bytes + kPackedHeaderBytes);
}

std::string PackedHeader::format() const { return fmt::format("{}:{}", kNames[static_cast<size_t>(kind)], width); }

const float* packed_body(const void* packed) {
  return reinterpret_cast<const float*>(static_cast<const std::byte*>(packed) + kPackedHeaderBytes);
}

const float* packed_body_here(const void* packed) {
  CHECK(PackedHeader::read(packed).width == gemm::tile().columns,
        "these packed convolution weights are for another CPU tier; pack them anew");
  return packed_body(packed);
}

void check_packed(std::span<const std::byte> packed, PackedKind kind, std::string_view format, int64_t numel,
                  const std::function<size_t(int64_t width)>& bytes_of) {
  CHECK(packed.size() >= kPackedHeaderBytes, "packed weights of {} bytes have no header", packed.size());
  const PackedHeader header = PackedHeader::read(packed.data());
  CHECK(header.kind == kind && header.format() == format, "packed weights are '{}', not '{}'", header.format(), format);
  // Filling up only adds to the elements, so a size that fits the bytes cannot overflow below.
  CHECK(static_cast<uint64_t>(numel) <= packed.size(), "packed weights are {} bytes, too few", packed.size());
  const size_t bytes = bytes_of(header.width);
  CHECK(bytes == packed.size(), "packed weights are {} bytes, '{}' takes {}", packed.size(), format, bytes);
}

}  // namespace ingot::kernels
