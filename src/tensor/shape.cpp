#include "ingot/shape.h"

#include "base/check.h"

namespace ingot {
namespace {

constexpr std::array<int, 4> kChannelsLastOrder{1, 3, 2, 0};  // from the fastest: C, W, H, N

/// The stride of the dimension above one of `size`. An empty tensor's can be too large although it has no elements.
int64_t next_stride(int64_t stride, Dim size, const Shape& shape) {
  int64_t next = 0;
  CHECK(!__builtin_mul_overflow(stride, size.value(), &next), "the strides of shape {} are too large",
        to_string(shape));
  return next;
}

Strides channels_last_strides(const Shape& shape) {
  Strides strides(4, 1);
  int64_t stride = 1;
  for (const int d : kChannelsLastOrder) {
    strides[d] = stride;
    stride = next_stride(stride, shape[d], shape);
  }
  return strides;
}

}  // namespace

Dim numel(const Shape& shape) {
  Dim total = 1;
  for (const Dim d : shape) {
    int64_t unused = 0;
    if (total.is_number() && d.is_number())
      CHECK(!__builtin_mul_overflow(total.value(), d.value(), &unused) && unused <= (int64_t{1} << 62),
            "shape {} has too many elements", to_string(shape));
    total = total * d;
  }
  return total;
}

std::string to_string(const Shape& shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out += (i ? ", " : "") + shape[i].str();
  return out + "]";
}

bool is_concrete(const Shape& shape) {
  return std::all_of(shape.begin(), shape.end(), [](Dim d) { return d.is_number(); });
}

int wrap_dim(int64_t dim, size_t rank) {
  const auto n = static_cast<int64_t>(rank);
  CHECK(dim >= -n && dim < n, "dimension {} is outside [{}, {})", dim, -n, n);
  return static_cast<int>(dim < 0 ? dim + n : dim);
}

Layout default_layout(size_t rank) { return rank == 4 ? Layout::channels_last : Layout::row_major; }

Strides strides_for(const Shape& shape, Layout layout) {
  if (layout == Layout::channels_last && shape.size() == 4) return channels_last_strides(shape);
  Strides strides(shape.size(), 1);
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride = next_stride(stride, shape[i], shape);
  }
  return strides;
}

bool is_dense(const Shape& shape, const Strides& strides, Layout layout) {
  const Strides wanted = strides_for(shape, layout);
  for (size_t i = 0; i < shape.size(); ++i)
    if (!(shape[i] == 1) && strides[i] != wanted[i]) return false;
  return true;
}

Layout layout_of(const Shape& shape, const Strides& strides) {
  if (shape.size() != 4) return Layout::row_major;
  if (is_dense(shape, strides, Layout::channels_last)) return Layout::channels_last;
  // Not dense: a slice of a channels-last tensor still has its channels beside each other.
  if (strides[1] == 1) return Layout::channels_last;
  return strides[3] == 1 ? Layout::row_major : Layout::channels_last;
}

}  // namespace ingot
