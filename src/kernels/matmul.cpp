#include "kernels/matmul.h"

#include "base/isa.h"
#include "kernels/matmul_gemm.h"
#include "kernels/matmul_onednn.h"
#include "kernels/matmul_plain.h"

namespace ingot::kernels {
namespace {

enum Kernel { kPlain, kTiled, kOneDnn, kGemm };

/// Where ours was measured to be faster (docs/benchmarks.md): of a few hundred rows and many columns that lie side by
/// side in b, as a narrow linear layer's gradient of a wide input has them. On AVX2 oneDNN takes 1.5 to 1.7 times as
/// long.
bool suits_gemm(const Product& p) {
  constexpr int64_t kLeastRows = 128, kMostRows = 256, kLeastColumns = 2048;
  return active_isa() == Isa::avx2 && p.batch.empty() && p.y.rows >= kLeastRows && p.y.rows <= kMostRows &&
         p.y.columns >= kLeastColumns && p.a.column_stride == 1 && p.b.column_stride == 1 && p.y.column_stride == 1;
}

Kernel choose(const Array& a, const Array& b, const Array& bias, const Array& y) {
  // Below this many products a call of oneDNN costs more than the product.
  constexpr int64_t kTiny = 512;
  if (y.dtype == DType::f64) return kTiled;
  if (y.numel() * a.shape[a.rank - 1] <= kTiny) return kPlain;
  return matmul_gemm_supports(a, b, bias, y) && suits_gemm(Product(a, b, y)) ? kGemm : kOneDnn;
}

}  // namespace

size_t matmul_scratch(const Array& a, const Array& b, const Array& bias, const Array& y) {
  switch (choose(a, b, bias, y)) {
    case kOneDnn:
      return matmul_onednn_scratch(a, b, bias, y);
    case kGemm:
      return matmul_gemm_scratch(a, b, bias, y);
    default:
      return 0;
  }
}

void matmul(const Array& a, const Array& b, const Array& bias, const Array& y, void* scratch) {
  if (y.numel() == 0) return;
  switch (choose(a, b, bias, y)) {
    case kPlain:
      return matmul_plain(Product(a, b, y), bias);
    case kTiled:
      return matmul_tiled(Product(a, b, y), bias);
    case kOneDnn:
      return matmul_onednn(a, b, bias, y, scratch);
    case kGemm:
      return matmul_gemm(a, b, bias, y, scratch);
  }
}

size_t linear_scratch(const Array& x, const Array& weight, const Array& bias, const Array& y) {
  return matmul_scratch(x, transposed(weight), bias, y);
}

void linear(const Array& x, const Array& weight, const Array& bias, const Array& y, void* scratch) {
  matmul(x, transposed(weight), bias, y, scratch);
}

std::string matmul_implementation(const Array& a, const Array& b, const Array& bias, const Array& y) {
  switch (choose(a, b, bias, y)) {
    case kOneDnn:
      return matmul_onednn_implementation(a, b, bias, y);
    case kGemm:
      return "gemm";
    default:
      return "plain";
  }
}

}  // namespace ingot::kernels
