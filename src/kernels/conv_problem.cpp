#include "kernels/conv_problem.h"

#include "base/isa.h"

namespace ingot::kernels::onednn {

using dnnl::memory;

namespace {

memory::dims dims_of(const Array& a) { return {a.shape.begin(), a.shape.begin() + a.rank}; }

}  // namespace

memory::dims grouped_dims(const Array& weight, int64_t groups) {
  auto dims = dims_of(weight);
  if (groups == 1) return dims;
  dims[0] /= groups;
  dims.insert(dims.begin(), groups);
  return dims;
}

ConvProblem::ConvProblem(DType type, const Array& x, const Array& weight, const Array& y, const ConvGeometry& g)
    : dtype(type),
      x(dims_of(x)),
      weight(grouped_dims(weight, g.groups)),
      y(dims_of(y)),
      stride{g.stride.h, g.stride.w},
      dilation{g.dilation.h - 1, g.dilation.w - 1},
      pad_begin{g.padding.top, g.padding.left},
      pad_end{g.padding.bottom, g.padding.right} {}

memory::desc ConvProblem::x_desc() const { return {x, type_of(dtype), memory::format_tag::nhwc}; }
memory::desc ConvProblem::y_desc() const { return {y, type_of(dtype), memory::format_tag::nhwc}; }
memory::desc ConvProblem::weight_desc(DType type) const { return {weight, type_of(type), memory::format_tag::any}; }

dnnl::convolution_forward::desc forward_desc(const ConvProblem& p, bool bias) {
  constexpr auto kind = dnnl::prop_kind::forward_training;
  constexpr auto direct = dnnl::algorithm::convolution_direct;
  const memory::desc weight = p.weight_desc(p.dtype);
  const memory::desc bias_desc({p.y[1]}, memory::data_type::f32, memory::format_tag::a);
  if (!bias) return {kind, direct, p.x_desc(), weight, p.y_desc(), p.stride, p.dilation, p.pad_begin, p.pad_end};
  return {kind, direct, p.x_desc(), weight, bias_desc, p.y_desc(), p.stride, p.dilation, p.pad_begin, p.pad_end};
}

Key conv_key(Op op, const Array& x, const Array& weight, const Array& y, const ConvGeometry& g) {
  Key key(op);
  key.add_shape(x).add_shape(weight).add_shape(y);
  for (const int64_t v : {g.stride.h, g.stride.w, g.dilation.h, g.dilation.w, g.padding.top, g.padding.left,
                          g.padding.bottom, g.padding.right, g.groups})
    key.add(v);
  return key;
}

memory::desc weight_desc(const Array& weight, int64_t groups) {
  const auto dims = grouped_dims(weight, groups);
  memory::dims strides(weight.strides.begin(), weight.strides.begin() + weight.rank);
  if (groups > 1) strides.insert(strides.begin(), strides[0] * dims[1]);
  return {dims, type_of(weight.dtype), strides};
}

bool same_layout(const memory::desc& a, const memory::desc& b) {
  const auto &p = a.data, &q = b.data;
  const auto &f = p.format_desc.blocking, &g = q.format_desc.blocking;
  if (p.ndims != q.ndims || p.data_type != q.data_type || p.extra.flags != 0 || q.extra.flags != 0 ||
      f.inner_nblks != g.inner_nblks || !std::equal(f.inner_blks, f.inner_blks + f.inner_nblks, g.inner_blks) ||
      !std::equal(f.inner_idxs, f.inner_idxs + f.inner_nblks, g.inner_idxs))
    return false;
  for (int d = 0; d < p.ndims; ++d) {
    if (p.dims[d] != q.dims[d] || p.padded_dims[d] != q.padded_dims[d]) return false;
    if (p.dims[d] > 1 && f.strides[d] != g.strides[d]) return false;
  }
  return true;
}

bool is_broadcast(const Array& array) {
  for (int d = 0; d < array.rank; ++d)
    if (array.shape[d] > 1 && array.strides[d] == 0) return true;
  return false;
}

Array staged(const Array& array, DType dtype, Scratch& scratch) {
  const bool fits = array.dtype == dtype && is_channels_last(array), sse = active_isa() == Isa::baseline;
  if (fits && !sse) return array;
  // Scratch is laid out before addresses are known, so that SSE always reserves the place.
  const Array copy = channels_last(array, dtype, scratch.take(array.numel() * size_of(dtype)));
  constexpr uintptr_t kBoundary = 16;
  return fits && reinterpret_cast<uintptr_t>(array.data) % kBoundary == 0 ? array : copy;
}

}  // namespace ingot::kernels::onednn
