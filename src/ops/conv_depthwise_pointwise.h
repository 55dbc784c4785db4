#pragma once

#include "autograd/op_def.h"
#include "kernels/conv_depthwise_pointwise.h"

namespace ingot {

/// A call of conv2d_depthwise_pointwise as the kernels take it. The array between the two, channels-last, comes first
/// in the call's scratch memory. Its address is never null, though there may be no memory yet: when bytes are counted.
struct DepthwisePointwiseCall {
  kernels::DepthwisePointwiseArgs args;
  size_t between_bytes = 0;  // a multiple of 64
  void* scratch = nullptr;   // behind it
  bool is_empty() const { return args.pointwise.y.numel() == 0; }

  /// Throws Error where the array between the two is too large to count.
  explicit DepthwisePointwiseCall(const EvalArgs& a);
};

}  // namespace ingot
