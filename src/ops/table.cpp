#include <algorithm>

#include "ops/defs.h"
#include "ops/ops.h"

namespace ingot {
namespace {

constexpr const OpDef* kOps[] = {
    &kRelu,
    &kRelu6,
    &kLeakyRelu,
    &kElu,
    &kSigmoid,
    &kTanh,
    &kSilu,
    &kGelu,
    &kHardswish,
    &kHardsigmoid,
    &kMish,
    &kActivationGrad,
    &kBatchNormTrain,
    &kBatchNormTrainFused,
    &kBatchNormGrad,
    &kBatchNorm,
    &kBatchNormRelu,
    &kLayerNorm,
    &kLayerNormGrad,
    &kAdd,
    &kSub,
    &kMul,
    &kDiv,
    &kPow,
    &kMaximum,
    &kMinimum,
    &kEq,
    &kNe,
    &kLt,
    &kLe,
    &kGt,
    &kGe,
    &kWhere,
    &kConcat,
    &kConv2d,
    &kConv2dGradInput,
    &kConv2dGradWeight,
    &kConv2dFused,
    &kConv2dDepthwisePointwise,
    &kConv2dSiblings,
    &kDropout,
    &kGather,
    &kScatterAdd,
    &kMatmul,
    &kLinear,
    &kLinearFused,
    &kPad,
    &kMaxPool2d,
    &kMaxPool2dGrad,
    &kAvgPool2d,
    &kAvgPool2dGrad,
    &kAdaptiveAvgPool2d,
    &kAdaptiveAvgPool2dGrad,
    &kSum,
    &kMean,
    &kAmax,
    &kAmin,
    &kArgmax,
    &kSize,
    &kReshape,
    &kPermute,
    &kExpand,
    &kContiguous,
    &kSlice,
    &kSliceGrad,
    &kSoftmax,
    &kLogSoftmax,
    &kSoftmaxGrad,
    &kLogSoftmaxGrad,
    &kCrossEntropy,
    &kCrossEntropyGrad,
    &kNeg,
    &kAbs,
    &kSign,
    &kSquare,
    &kSqrt,
    &kRsqrt,
    &kExp,
    &kLog,
    &kExpm1,
    &kLog1p,
    &kSoftplus,
    &kReciprocal,
    &kFloor,
    &kErf,
    &kClamp,
    &kCast,
};

}  // namespace

std::span<const OpDef* const> all_ops() { return kOps; }

const OpDef* find_op(std::string_view name) {
  const auto it = std::find_if(std::begin(kOps), std::end(kOps), [&](const OpDef* op) { return op->name == name; });
  return it == std::end(kOps) ? nullptr : *it;
}

}  // namespace ingot
