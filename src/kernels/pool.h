#pragma once

#include "base/array.h"
#include "ingot/geometry.h"

/// Pooling over the planes of x [N,C,H,W] into y [N,C,H',W']. f32, f64 and bf16 (sums in f32), any strides, no scratch,
/// the same bits for any thread count. H' and W' are y's: where ceil_mode made y larger than the floor rule, the last
/// windows reach past the padded input and count only what PyTorch counts.
namespace ingot::kernels {

/// y = the window's maximum, padding never. `index`, optional, i32 of y's shape, is its flat place h*W + w in
/// the input plane: the first of equals, but the last NaN, which beats every number. A window that lies in the padding
/// alone gives -inf and index -1. Source: PyTorch's max_pool2d_with_indices.
void max_pool2d(const Array& x, const PoolGeometry& geometry, const Array& y, const Array& index);

/// dx[n,c,h,w] = the sum of g[n,c,i,j] over the windows around (h,w) whose index, i32 of g's shape, is h*W + w. An
/// index outside its own window counts nowhere.
void max_pool2d_grad(const Array& g, const Array& index, const PoolGeometry& geometry, const Array& dx);

/// y = the window's sum over its divisor: `divisor_override` if not 0, else the window's elements, with
/// `count_include_pad` those in the padding too (but none past it). Dilation does not apply.
struct AvgPoolGeometry : PoolGeometry {
  bool count_include_pad = true;
  int64_t divisor_override = 0;
};
void avg_pool2d(const Array& x, const AvgPoolGeometry& geometry, const Array& y);
void avg_pool2d_grad(const Array& g, const AvgPoolGeometry& geometry, const Array& dx);

/// Averages of the bins [floor(i*H/H'), ceil((i+1)*H/H')); 1x1 is global pooling.
void adaptive_avg_pool2d(const Array& x, const Array& y);
void adaptive_avg_pool2d_grad(const Array& g, const Array& dx);

}  // namespace ingot::kernels
