#pragma once

#include "ingot/nn/visual_attention.h"
#include "nn/refuse.h"

// What attention modules share.
namespace ingot {

/// sigmoid(x), or for a gate that starts as the identity twice that: exactly 1 at 0.
inline Tensor gate(const Tensor& x, bool identity_start) { return identity_start ? 2.0 * sigmoid(x) : sigmoid(x); }

/// channels / reduction. Throws Error where nothing is left of them.
inline int64_t reduced(std::string_view who, int64_t channels, int64_t reduction) {
  require(channels > 0 && reduction > 0 && reduction <= channels, who, "reduction {} leaves none of {} channels",
          reduction, channels);
  return channels / reduction;
}

inline void require_odd(std::string_view who, int64_t kernel_size) {
  require(kernel_size > 0 && kernel_size % 2 == 1, who, "kernel_size is {}, it must be odd", kernel_size);
}

inline void require_planes(std::string_view who, const Tensor& x) {
  require(x.rank() == 4, who, "x is {}, it must be [N,C,H,W]", to_string(x.shape()));
}

/// [N,C] -> [N,C,1,1]
inline Tensor over_the_plane(const Tensor& x) { return unsqueeze(unsqueeze(x, 2), 3); }

/// A layer's weight and bias to 0.
template <class Layer>
void start_at_zero(Layer& layer) {
  fill(layer.weight, 0);
  if (layer.bias) fill(*layer.bias, 0);
}

}  // namespace ingot
