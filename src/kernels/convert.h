#pragma once

#include <cstdint>

#include "base/convert.h"

namespace ingot::kernels {

/// dst[i * dst_stride] = src[i * src_stride] for i < n, converted; strides in elements.
using Converter = void (*)(const void* src, int64_t src_stride, void* dst, int64_t dst_stride, int64_t n);
Converter converter(DType from, DType to);

/// Contiguous runs by SIMD; bf16 rounds to nearest even.
void f32_from_bf16(const bf16* src, float* dst, int64_t n);
void bf16_from_f32(const float* src, bf16* dst, int64_t n);
void f32_from_u8(const uint8_t* src, float* dst, int64_t n);

}  // namespace ingot::kernels
