#pragma once

#include <cstddef>
#include <string>

#include "base/array.h"

/// matmul.h's product by oneDNN, f32 and bf16, of results and sums that are not empty. It takes leading
/// dimensions and transposes; other strides are copied through scratch. bf16 goes through f32 scratch where the CPU
/// lacks it. Bits may differ between thread counts and between numbers of rows, since it may split K.
namespace ingot::kernels {

size_t matmul_onednn_scratch(const Array& a, const Array& b, const Array& bias, const Array& y);
void matmul_onednn(const Array& a, const Array& b, const Array& bias, const Array& y, void* scratch);

/// oneDNN's name for what runs, or "plain".
std::string matmul_onednn_implementation(const Array& a, const Array& b, const Array& bias, const Array& y);

}  // namespace ingot::kernels
