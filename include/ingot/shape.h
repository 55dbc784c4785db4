#pragma once

#include <cstdint>
#include <string>

#include "ingot/dim.h"
#include "ingot/fixed_vector.h"
#include "ingot/rank.h"

namespace ingot {

/// Sizes by dimension, at most 8 of them.
using Shape = FixedVector<Dim, kMaxRank>;
/// Steps in elements by dimension.
using Strides = FixedVector<int64_t, kMaxRank>;

/// The product of all sizes; 1 for a scalar. Throws Error when it exceeds 2^62.
Dim numel(const Shape& shape);
/// "[8, 3, 224, 224]", "[n, 64, h//2, w//2]".
std::string to_string(const Shape& shape);
bool is_concrete(const Shape& shape);
/// Dimension `dim` counted from the front, -1 being the last. Throws Error outside [-rank, rank).
int wrap_dim(int64_t dim, size_t rank);

/// How the elements of a dense tensor are ordered: row-major, or channels-last (N,H,W,C in memory for a shape N,C,H,W),
/// which 4-D activations and convolution weights have unless asked otherwise.
enum class Layout : uint8_t { row_major, channels_last };

/// The layout of tensors of this rank where nothing else is said: channels-last for 4-D, row-major otherwise.
Layout default_layout(size_t rank);
Strides strides_for(const Shape& shape, Layout layout);
/// Decides what layout strides have, for 4-D: with one channel or 1x1 planes both fit, and the answer is channels-last;
/// strides that are neither also count as the default. This function is the one place that decides it.
Layout layout_of(const Shape& shape, const Strides& strides);
/// Whether the elements fill memory without gaps or overlaps in the given layout (sizes of 1 fit any stride).
bool is_dense(const Shape& shape, const Strides& strides, Layout layout);

}  // namespace ingot
