#include <algorithm>

#include "base/parallel.h"
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

  /// Calls f(strip's offset behind the header, its first element of the dense weight, its outputs) for each strip.
  template <class F>
  void for_strips(const Array& weight, const F& f) const {
    const int64_t strips = (outputs + width - 1) / width;
    parallel_for(groups * strips, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t first = i % strips * width;
        f(i * products * width, weight.as<float>() + (i / strips * outputs + first) * weight.strides[0],
          std::min(width, outputs - first));
      }
    });
  }
  /// Calls f(offset from the strip's, offset from its first element) for each product of k.
  template <class F>
  void for_products(const Array& weight, const F& f) const {
    int64_t at = 0;
    for (int64_t u = 0; u < weight.shape[2]; ++u)
      for (int64_t v = 0; v < weight.shape[3]; ++v)
        for (int64_t c = 0; c < weight.shape[1]; ++c, at += width)
          f(at, c * weight.strides[1] + u * weight.strides[2] + v * weight.strides[3]);
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
  float* const body = header_here().write(packed);
  const int64_t stride = args.weight.strides[0];
  form.for_strips(args.weight, [&](int64_t strip, const float* from, int64_t count) {
    form.for_products(args.weight, [&](int64_t at, int64_t dense) {
      float* const to = body + strip + at;
      for (int64_t j = 0; j < count; ++j) to[j] = from[dense + j * stride];
      std::fill(to + count, to + form.width, 0.0f);
    });
  });
}

void check_conv_gemm_packed(const Array& weight, int64_t groups, std::span<const std::byte> packed,
                            std::string_view format) {
  check_packed(packed, PackedKind::gemm, format, weight.numel(),
               [&](int64_t width) { return Form(weight, groups, width).bytes(); });
}

void conv_gemm_unpack(const void* packed, int64_t groups, const Array& weight) {
  const float* const body = packed_body(packed);
  const Form form(weight, groups, PackedHeader::read(packed).width);
  form.for_strips(weight, [&](int64_t strip, float* to, int64_t count) {
    form.for_products(weight, [&](int64_t at, int64_t dense) {
      for (int64_t j = 0; j < count; ++j) to[dense + j * weight.strides[0]] = body[strip + at + j];
    });
  });
}

}  // namespace ingot::kernels
