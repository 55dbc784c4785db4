#include "kernels/conv_grad_phases.h"
#include "kernels/conv_winograd.h"
#include "kernels/conv_winograd_grad.h"

namespace ingot::kernels {

size_t conv_winograd_grad_input_scratch(int m, const Array& g, const Array& weight, const ConvGeometry& geometry,
                                        const Array& dx) {
  return conv_winograd_unpacked_scratch(m, grad_input_phase(g, weight, geometry, dx, 0, 0));
}

void conv_winograd_grad_input(int m, const Array& g, const Array& weight, const ConvGeometry& geometry, const Array& dx,
                              void* scratch) {
  conv_winograd_unpacked(m, grad_input_phase(g, weight, geometry, dx, 0, 0), scratch);
}

}  // namespace ingot::kernels
