#include <cstring>

#include "base/check.h"
#include "kernels/conv_depthwise.h"
#include "kernels/depthwise.h"
#include "kernels/packed_weights.h"

namespace ingot::kernels {
namespace {

using depthwise::kStrip;

constexpr PackedHeader kHeader{.kind = PackedKind::depthwise, .width = kStrip};

size_t bytes_of(const Array& weight) {
  const int64_t floats = depthwise::weights_size(weight.shape[0], {weight.shape[2], weight.shape[3]});
  return kPackedHeaderBytes + static_cast<size_t>(floats) * sizeof(float);
}

/// Calls f(offset behind the header, offset in the dense weights) for each element.
template <class F>
void for_elements(const Array& weight, const F& f) {
  const int64_t taps = weight.shape[2] * weight.shape[3];
  for (int64_t c = 0; c < weight.shape[0]; ++c) {
    int64_t at = c / kStrip * taps * kStrip + c % kStrip;
    for (int64_t u = 0; u < weight.shape[2]; ++u)
      for (int64_t v = 0; v < weight.shape[3]; ++v, at += kStrip)
        f(at, c * weight.strides[0] + u * weight.strides[2] + v * weight.strides[3]);
  }
}

}  // namespace

size_t conv_depthwise_packed_bytes(const ConvArgs& args) { return bytes_of(args.weight); }

std::string conv_depthwise_packed_format() { return kHeader.format(); }

void conv_depthwise_pack(const ConvArgs& args, void* packed) {
  std::memset(packed, 0, bytes_of(args.weight));
  float* const to = kHeader.write(packed);
  const auto* const from = args.weight.as<float>();
  for_elements(args.weight, [&](int64_t at, int64_t dense) { to[at] = from[dense]; });
}

void check_conv_depthwise_packed(const Array& weight, int64_t groups, std::span<const std::byte> packed,
                                 std::string_view format) {
  CHECK(weight.shape[1] == 1 && weight.shape[0] == groups, "'{}' packs weights of one plane a channel", format);
  check_packed(packed, PackedKind::depthwise, format, weight.numel(), [&](int64_t width) {
    CHECK(width == kStrip, "packed depthwise weights are in strips of {}, not of {}", width, kStrip);
    return bytes_of(weight);
  });
}

void conv_depthwise_unpack(const void* packed, const Array& weight) {
  const float* const from = packed_body(packed);
  auto* const to = weight.as<float>();
  for_elements(weight, [&](int64_t at, int64_t dense) { to[dense] = from[at]; });
}

}  // namespace ingot::kernels
