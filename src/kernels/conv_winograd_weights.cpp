#include "kernels/winograd_weights.h"

#include <cstring>

#include "base/parallel.h"
#include "kernels/conv_winograd.h"
#include "kernels/packed_weights.h"

namespace ingot::kernels {
namespace {

using winograd::Form;

PackedHeader header_here(int m) { return PackedHeader::here(m == 2 ? PackedKind::winograd2 : PackedKind::winograd4); }

Form form_of(int m, const Array& weight, int64_t width) {
  return {.channels = weight.shape[1], .outputs = weight.shape[0], .width = width, .products = winograd::products(m)};
}
size_t bytes_of(const Form& form) {
  return kPackedHeaderBytes + static_cast<size_t>(form.size() + form.outputs * form.channels * 9) * sizeof(float);
}

/// out = G w G^T for one 3x3 filter.
void transform(int m, const double* w, double* out) {
  const double* const g = winograd::weight_matrix(m);
  const int edge = winograd::edge(m);
  for (int i = 0; i < edge; ++i)
    for (int j = 0; j < edge; ++j) {
      double sum = 0;
      for (int u = 0; u < 3; ++u)
        for (int v = 0; v < 3; ++v) sum += g[i * 3 + u] * w[u * 3 + v] * g[j * 3 + v];
      out[i * edge + j] = sum;
    }
}

}  // namespace

size_t conv_winograd_packed_bytes(int m, const ConvArgs& args) {
  return bytes_of(form_of(m, args.weight, header_here(m).width));
}

std::string conv_winograd_packed_format(int m) { return header_here(m).format(); }

void conv_winograd_pack(int m, const ConvArgs& args, void* packed) {
  const Form form = form_of(m, args.weight, header_here(m).width);
  std::memset(packed, 0, bytes_of(form));
  float* const to = header_here(m).write(packed);
  float* const dense = to + form.size();
  const auto& s = args.weight.strides;
  parallel_for(form.outputs, 8, [&](int64_t begin, int64_t end) {
    double filter[9], transformed[winograd::kMostProducts];
    for (int64_t o = begin; o < end; ++o) {
      const int64_t block = o / form.block_width(), column = o % form.block_width();
      const int64_t at = form.block_at(block) + column / form.width * form.channels * form.width + column % form.width;
      for (int64_t c = 0; c < form.channels; ++c) {
        for (int64_t t = 0; t < 9; ++t) {
          const float w = args.weight.as<float>()[o * s[0] + c * s[1] + t / 3 * s[2] + t % 3 * s[3]];
          filter[t] = static_cast<double>(w);
          dense[(o * form.channels + c) * 9 + t] = w;
        }
        transform(m, filter, transformed);
        for (int p = 0; p < form.products; ++p)
          to[at + p * form.product_size(block) + c * form.width] = static_cast<float>(transformed[p]);
      }
    }
  });
}

void check_conv_winograd_packed(int m, const Array& weight, std::span<const std::byte> packed,
                                std::string_view format) {
  check_packed(packed, header_here(m).kind, format, weight.numel(),
               [&](int64_t width) { return bytes_of(form_of(m, weight, width)); });
}

void conv_winograd_unpack(int m, const void* packed, const Array& weight) {
  const float* dense = packed_body(packed) + form_of(m, weight, PackedHeader::read(packed).width).size();
  const auto& s = weight.strides;
  for (int64_t o = 0; o < weight.shape[0]; ++o)
    for (int64_t c = 0; c < weight.shape[1]; ++c)
      for (int64_t t = 0; t < 9; ++t) weight.as<float>()[o * s[0] + c * s[1] + t / 3 * s[2] + t % 3 * s[3]] = *dense++;
}

}  // namespace ingot::kernels
