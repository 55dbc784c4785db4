#pragma once

#include "autograd/op_def.h"
#include "kernels/conv.h"
#include "ops/attrs.h"

namespace ingot {

/// A call of conv2d or conv2d_fused as the kernels take it, for eval and for other tactics of the same op.
kernels::ConvArgs conv2d_args(const EvalArgs& a);
kernels::ConvArgs conv2d_fused_args(const EvalArgs& a);

/// The shape rule of conv2d for in = {x, weight, bias or none}.
Spec infer_conv2d(const InferArgs& a, const Conv2dAttrs& attrs);
/// Throws Error unless this operand, where it is given, is like the result.
void check_residual(const InferArgs& a, size_t operand, const Spec& y);

/// conv2d_fused by plain ops; bias and residual may be undefined.
Tensor expand_conv2d_fused(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& residual,
                           const ConvFusedAttrs& attrs);

/// The activation as kernels take it.
void set_activation(kernels::ConvArgs& args, Activation activation, double alpha);

}  // namespace ingot
