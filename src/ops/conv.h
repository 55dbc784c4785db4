#pragma once

#include "autograd/op_def.h"
#include "kernels/conv.h"

namespace ingot {

/// A call of conv2d or conv2d_fused as the kernels take it, for eval and for other tactics of the same op.
kernels::ConvArgs conv2d_args(const EvalArgs& a);
kernels::ConvArgs conv2d_fused_args(const EvalArgs& a);

/// The activation of fused attributes.
template <class FusedAttrs>
void set_activation(kernels::ConvArgs& args, const FusedAttrs& attrs) {
  const bool hardsigmoid = attrs.activation == Activation::hardsigmoid;  // clip(x / 6 + 1/2, 0, 1)
  args.activation = attrs.activation;
  args.alpha = hardsigmoid ? 1.0 / 6 : attrs.alpha;
  args.beta = hardsigmoid ? 0.5 : 0;
}

}  // namespace ingot
