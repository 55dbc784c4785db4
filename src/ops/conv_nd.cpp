#include <algorithm>

#include "ops/attrs.h"
#include "ops/defs.h"
#include "ops/ops.h"
#include "ops/rules.h"

// Convolutions of other ranks, all by the 2-D one and its gradients.
namespace ingot {

Tensor conv1d(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias, const Conv1dOptions& o) {
  CHECK(x.rank() == 3 && weight.rank() == 3, "[conv1d] x must be [N,C,L] and weight [O,C/groups,K], they are {} and {}",
        to_string(x.shape()), to_string(weight.shape()));
  return squeeze(conv2d(unsqueeze(x, 2), unsqueeze(weight, 2), bias,
                        {.stride = {1, o.stride},
                         .padding = {0, o.padding, 0, o.padding},
                         .dilation = {1, o.dilation},
                         .groups = o.groups}),
                 2);
}

// A 3-D convolution is a 2-D one for each place in the depth, whose channels are the input's channels at each depth of
// the kernel: [N*D', C*KD, H, W] by [O, C/groups*KD, KH, KW].
Tensor conv3d(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias, const Conv3dOptions& o) {
  CHECK(x.rank() == 5 && weight.rank() == 5,
        "[conv3d] x must be [N,C,D,H,W] and weight [O,C/groups,KD,KH,KW], they are {} and {}", to_string(x.shape()),
        to_string(weight.shape()));
  CHECK(o.stride.d >= 1 && o.dilation.d >= 1 && o.padding.d >= 0, "[conv3d] stride, dilation or padding is too small");
  const int64_t kernel = weight.size(2), reach = o.dilation.d * (kernel - 1) + 1;
  const int64_t depth = x.size(2) + 2 * o.padding.d;
  CHECK(depth >= reach, "[conv3d] a kernel of {} with dilation {} does not fit the depth {} with padding {}", kernel,
        o.dilation.d, x.size(2), o.padding.d);
  const int64_t out_depth = (depth - reach) / o.stride.d + 1;
  const Tensor padded = o.padding.d == 0 ? x : pad(x, {0, 0, o.padding.d, 0, 0}, {0, 0, o.padding.d, 0, 0});
  Tensors parts;
  for (int64_t k = 0; k < kernel; ++k) {
    const int64_t start = k * o.dilation.d;
    parts.push_back(slice(padded, 2, start, start + (out_depth - 1) * o.stride.d + 1, o.stride.d));
  }
  const Tensor planes = permute(stack(parts, 2), {0, 3, 1, 2, 4, 5});  // [N, D', C, KD, H, W]
  const Tensor y =
      conv2d(reshape(planes, {x.shape()[0] * out_depth, x.shape()[1] * kernel, x.shape()[3], x.shape()[4]}),
             flatten(weight, 1, 2), bias,
             {.stride = {o.stride.h, o.stride.w},
              .padding = {o.padding.h, o.padding.w, o.padding.h, o.padding.w},
              .dilation = {o.dilation.h, o.dilation.w},
              .groups = o.groups});
  return permute(reshape(y, {x.shape()[0], out_depth, y.shape()[1], y.shape()[2], y.shape()[3]}), {0, 2, 1, 3, 4});
}

namespace {

/// One side of the result of a transposed convolution. Of what output_padding adds, the convolution itself reaches
/// stride - 1 places; the next ones lie in the padding at the end, which shrinks, and the last beyond it.
struct Side {
  Dim size;
  int64_t pad_end = 0, beyond = 0;
};
struct SideOptions {
  int64_t kernel, stride, pad_begin, pad_end, dilation, output_padding;
};
Side transposed_side(Dim size, const SideOptions& o) {
  const int64_t extra = o.output_padding;
  CHECK(extra >= 0 && (extra < o.stride || extra < o.dilation),
        "[conv_transpose2d] output_padding {} must be smaller than the stride {} or the dilation {}", extra, o.stride,
        o.dilation);
  const int64_t reached = std::min(extra, o.stride - 1), uncovered = std::clamp<int64_t>(extra - reached, 0, o.pad_end);
  const int64_t pad_end = o.pad_end - uncovered;
  const Dim out = (size - 1) * o.stride - o.pad_begin - pad_end + o.dilation * (o.kernel - 1) + reached + 1;
  CHECK(!out.is_number() || out.value() >= 1, "[conv_transpose2d] an input side of {} would give {}", size.str(),
        out.str());
  return {out, pad_end, extra - reached - uncovered};
}

}  // namespace

// The gradient of a convolution for its input: that of [N,O,...] for [N,C,...] with C and O swapped.
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias,
                        const ConvTranspose2dOptions& o) {
  CHECK(x.rank() == 4 && weight.rank() == 4,
        "[conv_transpose2d] x must be [N,C,H,W] and weight [C,O/groups,KH,KW], they are {} and {}",
        to_string(x.shape()), to_string(weight.shape()));
  CHECK(o.stride.h >= 1 && o.stride.w >= 1 && o.groups >= 1, "[conv_transpose2d] stride and groups must be at least 1");
  CHECK(std::min({o.padding.top, o.padding.left, o.padding.bottom, o.padding.right}) >= 0,
        "[conv_transpose2d] padding must not be negative");
  const Side h = transposed_side(
      x.shape()[2], {weight.size(2), o.stride.h, o.padding.top, o.padding.bottom, o.dilation.h, o.output_padding.h});
  const Side w = transposed_side(
      x.shape()[3], {weight.size(3), o.stride.w, o.padding.left, o.padding.right, o.dilation.w, o.output_padding.w});
  ConvGradAttrs attrs;
  static_cast<Conv2dAttrs&>(attrs) = {
      o.stride, {o.padding.top, o.padding.left, h.pad_end, w.pad_end}, o.dilation, o.groups};
  attrs.shape = {x.shape()[0], weight.shape()[1] * o.groups, h.size, w.size};
  Tensor y = apply(kConv2dGradInput, {x, weight}, attrs);
  if (h.beyond > 0 || w.beyond > 0) y = pad(y, {0, 0, 0, 0}, {0, 0, h.beyond, w.beyond});
  return bias ? y + per_channel(*bias, 4) : y;
}

}  // namespace ingot
