#pragma once

#include "autograd/op_def.h"

// What the shape rules, evaluations and gradients of several ops share.
namespace ingot {

/// One result like the first input.
Results infer_like_input(const InferArgs& a);
/// One result of the broadcast shape of all inputs, which share a dtype.
Results infer_broadcast(const InferArgs& a);
Shape broadcast_shapes(const Shape& a, const Shape& b);

void check_floating(const Spec& x);
void check_same_dtype(const Spec& a, const Spec& b);
void check_rank(const Spec& x, size_t rank, std::string_view what);

/// Dimensions as attributes have them: already counted from the front. Graphs and engine files come from anywhere.
void check_dim(int64_t dim, size_t rank);
void check_dims(std::span<const int64_t> dims, size_t rank);  // ascending, none twice

/// The array with broadcast dimensions (stride 0) added in front and where sizes of 1 meet larger ones.
Array broadcast_to(const Array& x, const Array& like);
/// The array over the same memory with other sizes; strides row-major. For dense row-major arrays.
Array reshaped(const Array& x, std::span<const int64_t> shape);
/// Part [start, start + size) of a dimension.
Array narrowed(const Array& x, int dim, int64_t start, int64_t size, int64_t step = 1);

/// A scalar whose value is a size, symbolic or not.
Tensor size_tensor(Dim value, DType dtype);
/// [C] as [1, C, 1, ...] of this rank, to broadcast over dimension 1.
Tensor per_channel(const Tensor& x, int64_t rank);
/// All dimensions but 1.
std::vector<int64_t> all_but_channels(int64_t rank);

}  // namespace ingot
