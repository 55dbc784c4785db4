#pragma once

#include "autograd/op_def.h"
#include "kernels/conv.h"

namespace ingot {

/// A call of conv2d or conv2d_fused as the kernels take it, for eval and for other tactics of the same op.
kernels::ConvArgs conv2d_args(const EvalArgs& a);
kernels::ConvArgs conv2d_fused_args(const EvalArgs& a);

}  // namespace ingot
