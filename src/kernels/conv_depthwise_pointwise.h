#pragma once

#include <cstddef>

#include "kernels/conv.h"

/// A depthwise convolution and the 1x1 convolution of its result, as mobile networks have them: a block of pixels of
/// the former is made in a thread's own memory, where the latter's products read it, so that it never leaves the cache.
namespace ingot::kernels {

/// y = pointwise(depthwise(x)). `depthwise.y` and `pointwise.x` are the same array, of which only the sizes count.
struct DepthwisePointwiseArgs {
  ConvArgs depthwise, pointwise;
};

/// Whether it runs this: conv_depthwise has the first without a residual, and the second is 1x1 at a stride of 1 that
/// conv_gemm has.
bool conv_depthwise_pointwise_supports(const DepthwisePointwiseArgs& args);

size_t conv_depthwise_pointwise_scratch(const DepthwisePointwiseArgs& args);
/// Weights as conv_depthwise_pack and conv_gemm_pack lay them. Bits are those of the two convolutions one after the
/// other.
void conv_depthwise_pointwise(const DepthwisePointwiseArgs& args, const void* packed_depthwise,
                              const void* packed_pointwise, void* scratch);

}  // namespace ingot::kernels
