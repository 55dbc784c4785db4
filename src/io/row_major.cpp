#include "io/row_major.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "tensor/impl.h"

namespace ingot {
namespace {

using Take = FunctionRef<void(std::span<const std::byte>)>;

void dense_pieces(const std::byte* data, size_t bytes, Take take) {
  for (size_t done = 0; done < bytes; done += kPieceBytes) take({data + done, std::min(kPieceBytes, bytes - done)});
}

/// Unsigned is a type of the element's size: values are moved, never looked at.
template <class Unsigned>
void gathered_pieces(const Array& a, Take take) {
  std::vector<Unsigned> piece(kPieceBytes / sizeof(Unsigned));
  size_t filled = 0;
  std::array<int64_t, kMaxRank> index{};
  const auto* data = a.as<const Unsigned>();
  const int last = a.rank - 1;
  for (int64_t row = 0, offset = 0, rows = a.numel() / a.shape[last]; row < rows; ++row) {
    for (int64_t i = 0; i < a.shape[last]; ++i) {
      piece[filled++] = data[offset + i * a.strides[last]];
      if (filled == piece.size()) take(std::as_bytes(std::span(piece))), filled = 0;
    }
    for (int d = last - 1; d >= 0; --d) {
      offset += a.strides[d];
      if (++index[d] < a.shape[d]) break;
      offset -= a.strides[d] * a.shape[d];
      index[d] = 0;
    }
  }
  if (filled > 0) take(std::as_bytes(std::span(piece).first(filled)));
}

}  // namespace

void each_row_major_piece(const Tensor& x, Take take) {
  const Array a = array_of(x);
  if (a.numel() == 0) return;
  const size_t width = size_of(x.dtype());
  if (is_dense(x.shape(), x.strides(), Layout::row_major))
    return dense_pieces(a.as<const std::byte>(), static_cast<size_t>(a.numel()) * width, take);
  if (width == 1) return gathered_pieces<uint8_t>(a, take);
  if (width == 2) return gathered_pieces<uint16_t>(a, take);
  if (width == 4) return gathered_pieces<uint32_t>(a, take);
  gathered_pieces<uint64_t>(a, take);
}

}  // namespace ingot
