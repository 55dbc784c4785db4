#include <algorithm>

#include "kernels/gemm_kernel.h"

namespace ingot::kernels::gemm {

void run_strip_plain(int rows, const Strip& s) {
  const Tile t = tile();
  for (int64_t row = 0; row < int64_t{s.panels} * rows; ++row) {
    const float* const* const pointers = s.rows + row / rows * s.panel_step + row % rows;
    for (int64_t j = 0; j < s.columns; ++j) {
      double sum = 0;
      for (int tap = 0; tap < s.taps; ++tap)
        for (int64_t k = 0; k < s.depth; ++k)
          sum += static_cast<double>(pointers[tap * t.rows][s.offset + k]) *
                 static_cast<double>(s.weights[(tap * s.depth + k) * t.columns + j]);
      if (s.bias != nullptr) sum += static_cast<double>(s.bias[j]);
      if (s.residual != nullptr) sum += static_cast<double>(s.residual[row * s.residual_stride + j]);
      s.out[row * s.out_stride + j] = std::min(s.high, std::max(s.low, static_cast<float>(sum)));
    }
  }
}

}  // namespace ingot::kernels::gemm
