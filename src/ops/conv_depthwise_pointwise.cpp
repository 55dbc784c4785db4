#include "ops/conv_depthwise_pointwise.h"

#include <algorithm>

#include "ops/attrs.h"
#include "ops/conv.h"
#include "ops/defs.h"
#include "ops/ops.h"

namespace ingot {
namespace {

constexpr size_t kLine = 64;
alignas(kLine) std::byte g_nowhere[kLine];

// Operands: x, weight, bias, pointwise weight, pointwise bias, residual.
Results infer(const InferArgs& a) {
  const auto& c = a.as<DepthwisePointwiseAttrs>();
  const Spec between = infer_conv2d({a.in.first(3), a.attrs}, c);
  const Shape &weight = a.in[1].shape, &pointwise = a.in[3].shape;
  CHECK(weight[0] == c.groups && weight[1] == 1, "weight {} is not depthwise with {} groups", to_string(weight),
        c.groups);
  const Spec second[] = {between, a.in[3], a.has(4) ? a.in[4] : Spec{.defined = false}};
  const Spec y = infer_conv2d({second, a.attrs}, {});
  CHECK(pointwise[2] == 1 && pointwise[3] == 1, "the pointwise weight {} is not 1x1", to_string(pointwise));
  check_residual(a, 5, y);
  return y;
}

size_t scratch(const EvalArgs& a) {
  const DepthwisePointwiseCall call(a);
  if (call.is_empty()) return 0;
  return call.between_bytes +
         std::max(kernels::conv2d_scratch(call.args.depthwise), kernels::conv2d_scratch(call.args.pointwise));
}

void eval(const EvalArgs& a) {
  const DepthwisePointwiseCall call(a);
  if (call.is_empty()) return;
  kernels::conv2d(call.args.depthwise, call.scratch);
  kernels::conv2d(call.args.pointwise, call.scratch);
}

ConvFusedAttrs pointwise_attrs(const DepthwisePointwiseAttrs& attrs) {
  ConvFusedAttrs out;
  out.activation = attrs.pointwise_activation;
  out.alpha = attrs.pointwise_alpha;
  return out;
}

Tensors expand(const ExpandArgs& a) {
  const auto& c = a.as<DepthwisePointwiseAttrs>();
  const Tensor between = expand_conv2d_fused(a.in[0], a.in[1], a.input(2), {}, c);
  return {expand_conv2d_fused(between, a.in[3], a.input(4), a.input(5), pointwise_attrs(c))};
}

/// Channels-last, with the batch and plane of `y`.
Array between_of(const Array& y, int64_t channels, DType dtype, void* data) {
  const int64_t height = y.shape[2], width = y.shape[3];
  return {.data = data,
          .dtype = dtype,
          .rank = 4,
          .shape = {y.shape[0], channels, height, width},
          .strides = {height * width * channels, 1, width * channels, channels}};
}

size_t bytes_of(const Array& between) {
  auto bytes = static_cast<int64_t>(size_of(between.dtype));
  for (int d = 0; d < between.rank; ++d)
    CHECK(!__builtin_mul_overflow(bytes, between.shape[d], &bytes), "the array between the two is too large");
  return (static_cast<size_t>(bytes) + kLine - 1) / kLine * kLine;
}

}  // namespace

DepthwisePointwiseCall::DepthwisePointwiseCall(const EvalArgs& a) {
  const auto& c = a.as<DepthwisePointwiseAttrs>();
  auto* const memory = static_cast<std::byte*>(a.scratch);
  const Array between = between_of(a.out[0], a.in[1].shape[0], a.in[0].dtype, memory != nullptr ? memory : g_nowhere);
  between_bytes = bytes_of(between);
  if (memory != nullptr) scratch = memory + between_bytes;
  args.depthwise = {
      .x = a.in[0], .weight = a.in[1], .bias = a.input(2), .residual = {}, .geometry = c.geometry(), .y = between};
  args.pointwise = {.x = between,
                    .weight = a.in[3],
                    .bias = a.input(4),
                    .residual = a.input(5),
                    .geometry = Conv2dAttrs{}.geometry(),
                    .y = a.out[0]};
  set_activation(args.depthwise, c.activation, c.alpha);
  set_activation(args.pointwise, c.pointwise_activation, c.pointwise_alpha);
}

const OpDef kConv2dDepthwisePointwise{.name = "conv2d_depthwise_pointwise",
                                      .attrs = &attrs_of<DepthwisePointwiseAttrs>,
                                      .operands = {4, 6, 0b110100},
                                      .infer = infer,
                                      .scratch = scratch,
                                      .eval = eval,
                                      .expand = expand};

}  // namespace ingot
