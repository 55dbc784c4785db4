#include <algorithm>

#include "kernels/depthwise_kernels.h"

namespace ingot::kernels::depthwise {
namespace {

double sum_of_taps(const Tile& t, int64_t result, int64_t channel) {
  const bool checks = has_tile_kernel(t.taps, t.stride, t.dilation);
  double sum = 0;
  for (int u = 0; u < t.rows; ++u)
    for (int v = 0; v < t.taps; ++v) {
      const int64_t column = result * t.stride + v * t.dilation;
      if (checks && (column < t.begin || column >= t.end)) continue;
      const float* const weights = t.weights + channel / kStrip * t.weight_strip + u * t.weight_row + v * kStrip;
      sum += static_cast<double>(t.x[u * t.x_row + column * t.x_pixel + channel]) *
             static_cast<double>(weights[channel % kStrip]);
    }
  return sum;
}

}  // namespace

void run_tile_plain(const Tile& t) {
  for (int64_t i = 0; i < t.width; ++i)
    for (int64_t c = 0; c < t.channels; ++c) {
      double sum = sum_of_taps(t, i, c);
      if (t.bias != nullptr) sum += static_cast<double>(t.bias[c]);
      if (t.residual != nullptr) sum += static_cast<double>(t.residual[i * t.residual_pixel + c]);
      t.out[i * t.out_pixel + c] = std::min(t.high, std::max(t.low, static_cast<float>(sum)));
    }
}

}  // namespace ingot::kernels::depthwise
