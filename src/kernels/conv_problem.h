#pragma once

#include "ingot/geometry.h"
#include "kernels/conv_layout.h"
#include "kernels/onednn.h"

/// What the convolution and its gradients share in talking to oneDNN. Internal to conv_onednn*.cpp.
namespace ingot::kernels::onednn {

enum Op : int64_t { kConv, kConvPacked, kConvGradInput, kConvGradWeight };

/// A convolution's sizes as oneDNN wants them, in one dtype. Activations are channels-last, weights in any layout.
struct ConvProblem {
  DType dtype;
  dnnl::memory::dims x, weight, y, stride, dilation, pad_begin, pad_end;

  ConvProblem(DType dtype, const Array& x, const Array& weight, const Array& y, const ConvGeometry& geometry);
  dnnl::memory::desc x_desc() const;
  dnnl::memory::desc y_desc() const;
  dnnl::memory::desc weight_desc(DType type) const;  // layout left to oneDNN
};

dnnl::convolution_forward::desc forward_desc(const ConvProblem& problem, bool bias);

/// Sizes, dtypes and geometry of a convolution, without the strides of its activations.
Key conv_key(Op op, const Array& x, const Array& weight, const Array& y, const ConvGeometry& geometry);

/// A weight's sizes with the group dimension that oneDNN wants split off: [G, O/G, I/G, KH, KW].
dnnl::memory::dims grouped_dims(const Array& weight, int64_t groups);
/// A weight's own layout, grouped likewise.
dnnl::memory::desc weight_desc(const Array& weight, int64_t groups);

/// Whether the same bytes mean the same; strides of dimensions of size 1 do not matter.
bool same_layout(const dnnl::memory::desc& a, const dnnl::memory::desc& b);

/// Whether the array has elements that share an address (stride 0).
bool is_broadcast(const Array& array);

/// `array` itself where it is channels-last in `dtype`, else a place in scratch that stage() fills. oneDNN's SSE
/// convolutions fault on activations that are not on a 16-byte boundary: those go through scratch too.
Array staged(const Array& array, DType dtype, Scratch& scratch);

/// Copies where the two differ; counts it where strides were the reason.
inline void stage(const Array& from, const Array& to) {
  if (from.data == to.data) return;
  is_channels_last(from) && is_channels_last(to) ? copy_4d(from, to) : copy_strided(from, to);
}

}  // namespace ingot::kernels::onednn
