#include "kernels/winograd_weights.h"

#include <algorithm>

#include "base/check.h"
#include "base/parallel.h"
#include "kernels/conv_layout.h"
#include "kernels/conv_winograd.h"
#include "kernels/gemm_kernel.h"
#include "kernels/packed_weights.h"

namespace ingot::kernels {
namespace {

using winograd::Filter;
using winograd::filter_of;
using winograd::Form;
using winograd::form_of;

PackedKind kind_of(int m, int64_t stride) {
  if (stride == 1) return m == 2 ? PackedKind::winograd2 : PackedKind::winograd4;
  return m == 2 ? PackedKind::winograd2_strided : PackedKind::winograd4_strided;
}
PackedHeader header_here(int m, int64_t stride) { return PackedHeader::here(kind_of(m, stride)); }

size_t bytes_of(const Form& form, const Array& weight) {
  return kPackedHeaderBytes + static_cast<size_t>(form.size() + weight.numel()) * sizeof(float);
}

/// The weights as they were, which lie behind the transformed ones.
Array dense_weights(const Array& weight, float* data) {
  return row_major(data, DType::f32, {weight.shape[0], weight.shape[1], weight.shape[2], weight.shape[3]});
}

}  // namespace

void winograd::transform_weights(const Filter& filter, const Array& weight, const Form& form, float* to, bool exact) {
  constexpr int64_t kChunk = 32, kMostTaps = 9;  // kChunk: channels
  const int64_t across = filter.kernel.w, taps = filter.kernel.h * across;
  const int64_t strips = (form.outputs + form.width - 1) / form.width;
  const auto& s = weight.strides;
  parallel_for(strips, 1, [&](int64_t begin, int64_t end) {
    float dense[kMostTaps * kChunk * gemm::kMostColumns];  // [tap][channel][output]
    for (int64_t strip = begin; strip < end; ++strip) {
      const int64_t block = strip / Form::kBlockStrips, first = strip * form.width;
      const int64_t count = std::min(form.width, form.outputs - first);
      float* const out = to + form.block_at(block) + strip % Form::kBlockStrips * form.channels * form.width;
      for (int64_t c = 0; c < form.channels; c += kChunk) {
        const int64_t channels = std::min(kChunk, form.channels - c), plane = channels * form.width;
        const float* planes[kMostTaps];
        for (int64_t t = 0; t < taps; ++t) {
          float* tap = dense + t * plane;
          planes[t] = tap;
          const float* from = weight.as<float>() + first * s[0] + c * s[1] + t / across * s[2] + t % across * s[3];
          for (int64_t i = 0; i < channels; ++i, tap += form.width, from += s[1]) {
            for (int64_t j = 0; j < count; ++j) tap[j] = from[j * s[0]];
            std::fill(tap + count, tap + form.width, 0.0f);
          }
        }
        const auto run = exact ? transform_plain : transform;
        run(Transform::weight, filter,
            {.in = planes, .channels = plane, .out = out + c * form.width, .plane = form.plane_size(block)});
      }
    }
  });
}

const float* winograd::packed_here(const void* packed, const Filter& filter) {
  const PackedKind kind = PackedHeader::read(packed).kind, wanted = kind_of(filter.m, filter.stride);
  CHECK(kind == wanted, "these packed convolution weights are for another stride or tile; pack them anew");
  return packed_body_here(packed);
}

size_t conv_winograd_packed_bytes(int m, const ConvArgs& args) {
  const int64_t stride = args.geometry.stride.h;
  return bytes_of(form_of(filter_of(m, args.weight, stride), args.weight, header_here(m, stride).width), args.weight);
}

std::string conv_winograd_packed_format(int m, int64_t stride) { return header_here(m, stride).format(); }

void conv_winograd_pack(int m, const ConvArgs& args, void* packed) {
  const int64_t stride = args.geometry.stride.h;
  const PackedHeader header = header_here(m, stride);
  const Filter filter = filter_of(m, args.weight, stride);
  const Form form = form_of(filter, args.weight, header.width);
  float* const to = header.write(packed);
  winograd::transform_weights(filter, args.weight, form, to, /*exact=*/true);
  copy_4d(args.weight, dense_weights(args.weight, to + form.size()));
}

void check_conv_winograd_packed(int m, const Array& weight, std::span<const std::byte> packed,
                                std::string_view format) {
  const int64_t stride = format.find("_strided:") == std::string_view::npos ? 1 : 2;
  check_packed(packed, kind_of(m, stride), format, weight.numel(),
               [&](int64_t width) { return bytes_of(form_of(filter_of(m, weight, stride), weight, width), weight); });
}

void conv_winograd_unpack(int m, const void* packed, const Array& weight) {
  const PackedHeader header = PackedHeader::read(packed);
  const int64_t stride = header.kind == kind_of(m, 2) ? 2 : 1;
  const Form form = form_of(filter_of(m, weight, stride), weight, header.width);
  copy_4d(dense_weights(weight, const_cast<float*>(packed_body(packed)) + form.size()), weight);
}

}  // namespace ingot::kernels
