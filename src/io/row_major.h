#pragma once

#include <cstddef>
#include <span>

#include "base/parallel.h"
#include "ingot/tensor.h"

namespace ingot {

/// Hands over the elements of a tensor of any layout in row-major order, in pieces of kPieceBytes (the last is
/// shorter).
inline constexpr size_t kPieceBytes = size_t{1} << 20;
void each_row_major_piece(const Tensor& x, FunctionRef<void(std::span<const std::byte>)> take);

}  // namespace ingot
