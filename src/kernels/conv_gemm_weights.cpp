#include <cstring>

#include "kernels/conv_gemm.h"
#include "kernels/packed_weights.h"

namespace ingot::kernels {
namespace {

/// How the weights of one group lie behind the header: [strip][KH][KW][C][width], strips of `width` outputs, the last
/// filled up with zeros.
struct Form {
  int64_t groups, outputs, products, width;  // products: k of all taps

  Form(const Array& weight, int64_t g, int64_t w)
      : groups(g),
        outputs(weight.shape[0] / g),
        products(weight.shape[1] * weight.shape[2] * weight.shape[3]),
        width(w) {}
  int64_t group_size() const { return (outputs + width - 1) / width * products * width; }
  size_t bytes() const { return kPackedHeaderBytes + static_cast<size_t>(groups * group_size()) * sizeof(float); }

  /// Calls f(offset behind the header, offset in the dense weights) for each element.
  template <class F>
  void for_elements(const Array& weight, const F& f) const {
    const auto& s = weight.strides;
    for (int64_t o = 0; o < weight.shape[0]; ++o) {
      const int64_t column = o % outputs;
      int64_t at = o / outputs * group_size() + column / width * products * width + column % width;
      for (int64_t u = 0; u < weight.shape[2]; ++u)
        for (int64_t v = 0; v < weight.shape[3]; ++v)
          for (int64_t c = 0; c < weight.shape[1]; ++c, at += width) f(at, o * s[0] + c * s[1] + u * s[2] + v * s[3]);
    }
  }
};

PackedHeader header_here() { return PackedHeader::here(PackedKind::gemm); }

}  // namespace

size_t conv_gemm_packed_bytes(const ConvArgs& args) {
  return Form(args.weight, args.geometry.groups, header_here().width).bytes();
}

std::string conv_gemm_packed_format() { return header_here().format(); }

void conv_gemm_pack(const ConvArgs& args, void* packed) {
  const Form form(args.weight, args.geometry.groups, header_here().width);
  std::memset(packed, 0, form.bytes());
  float* const to = header_here().write(packed);
  const auto* const from = args.weight.as<float>();
  form.for_elements(args.weight, [&](int64_t at, int64_t dense) { to[at] = from[dense]; });
}

void check_conv_gemm_packed(const Array& weight, int64_t groups, std::span<const std::byte> packed,
                            std::string_view format) {
  check_packed(packed, PackedKind::gemm, format, weight.numel(),
               [&](int64_t width) { return Form(weight, groups, width).bytes(); });
}

void conv_gemm_unpack(const void* packed, int64_t groups, const Array& weight) {
  const float* const from = packed_body(packed);
  auto* const to = weight.as<float>();
  Form(weight, groups, PackedHeader::read(packed).width).for_elements(weight, [&](int64_t at, int64_t dense) {
    to[dense] = from[at];
  });
}

}  // namespace ingot::kernels
