#include <algorithm>

#include "kernels/conv_gemm.h"
#include "kernels/conv_gemm_grad.h"
#include "kernels/conv_grad_phases.h"
#include "kernels/conv_layout.h"
#include "kernels/conv_views.h"

namespace ingot::kernels {
namespace {

/// Calls f(phase) for each that has pixels.
template <class F>
void for_phases(const Array& g, const Array& weight, const ConvGeometry& geometry, const Array& dx, const F& f) {
  for (int64_t h = 0; h < std::min(geometry.stride.h, dx.shape[2]); ++h)
    for (int64_t w = 0; w < std::min(geometry.stride.w, dx.shape[3]); ++w)
      f(grad_input_phase(g, weight, geometry, dx, h, w));
}

}  // namespace

bool conv_gemm_grad_input_supports(const Array& g, const Array& weight, const ConvGeometry& geometry, const Array& dx) {
  return has_own_gradient(dx, g, weight) && geometry.groups == 1;
}

size_t conv_gemm_grad_input_scratch(const Array& g, const Array& weight, const ConvGeometry& geometry,
                                    const Array& dx) {
  size_t most = 0;
  for_phases(g, weight, geometry, dx, [&](const ConvArgs& phase) {
    if (phase.weight.numel() > 0) most = std::max(most, conv_gemm_unpacked_scratch(phase));
  });
  return most;
}

void conv_gemm_grad_input(const Array& g, const Array& weight, const ConvGeometry& geometry, const Array& dx,
                          void* scratch) {
  for_phases(g, weight, geometry, dx, [&](const ConvArgs& phase) {
    phase.weight.numel() > 0 ? conv_gemm_unpacked(phase, scratch) : fill_zero(phase.y);
  });
}

}  // namespace ingot::kernels
