#include "data/copy.h"

#include <cstring>

#include "base/check.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

/// Whether both have their elements in the same order without gaps, so that one memcpy moves them.
bool same_dense(const Array& a, const Array& b) {
  int64_t extent = 1;
  for (int d = 0; d < a.rank; ++d) {
    if (a.shape[d] == 1) continue;
    if (a.strides[d] != b.strides[d] || a.strides[d] <= 0) return false;
    extent += (a.shape[d] - 1) * a.strides[d];
  }
  return extent == a.numel();
}

template <class Unsigned>
void copy_strided(const Array& from, const Array& to) {
  std::array<int64_t, kMaxRank> index{};
  const auto* source = from.as<const Unsigned>();
  auto* target = to.as<Unsigned>();
  const int last = from.rank - 1;
  for (int64_t row = 0, rows = from.numel() / from.shape[last]; row < rows; ++row) {
    for (int64_t i = 0; i < from.shape[last]; ++i) target[i * to.strides[last]] = source[i * from.strides[last]];
    for (int d = last - 1; d >= 0; --d) {
      source += from.strides[d], target += to.strides[d];
      if (++index[d] < from.shape[d]) break;
      source -= from.strides[d] * from.shape[d], target -= to.strides[d] * from.shape[d];
      index[d] = 0;
    }
  }
}

}  // namespace

Tensor row_of(const Tensor& x, int64_t row) {
  const TensorImpl& impl = *x.impl();
  const auto rest = [](const auto& v) { return std::span(v.begin() + 1, v.end()); };
  return make_tensor(impl.storage, impl.offset + row * impl.strides[0], Shape(std::span<const Dim>(rest(impl.shape))),
                     Strides(std::span<const int64_t>(rest(impl.strides))), impl.dtype);
}

Array row_array(const Tensor& x, int64_t row) {
  const Array whole = array_of(x);
  Array out{.data = whole.as<std::byte>() + row * whole.strides[0] * static_cast<int64_t>(size_of(whole.dtype)),
            .dtype = whole.dtype,
            .rank = whole.rank - 1};
  std::copy_n(whole.shape.begin() + 1, out.rank, out.shape.begin());
  std::copy_n(whole.strides.begin() + 1, out.rank, out.strides.begin());
  return out;
}

void copy_elements(const Array& from, const Array& to) {
  ASSERT(from.same_shape(to) && from.dtype == to.dtype);
  if (from.numel() == 0) return;
  const size_t width = size_of(from.dtype);
  if (same_dense(from, to)) {
    std::memcpy(to.data, from.data, static_cast<size_t>(from.numel()) * width);
    return;
  }
  if (width == 1) return copy_strided<uint8_t>(from, to);
  if (width == 2) return copy_strided<uint16_t>(from, to);
  if (width == 4) return copy_strided<uint32_t>(from, to);
  copy_strided<uint64_t>(from, to);
}

}  // namespace ingot
