#include "kernels/index.h"

#include <cstring>
#include <vector>

#include "base/check.h"
#include "kernels/dispatch.h"
#include "kernels/elementwise.h"
#include "kernels/strided.h"

namespace ingot::kernels {
namespace {

/// Positions along one dimension of an array, checked.
struct Axis {
  int dim;
  int64_t size, stride;

  int64_t offset(int64_t index) const {
    CHECK(index >= 0 && index < size, "index {} is out of range for dimension {} of size {}", index, dim, size);
    return index * stride;
  }
};

// Block: x at index 0, index, y.
template <class U>
void gather_row(const Block<3>& block, int64_t r, const Axis& axis) {
  const U* x = block.row<U>(0, r);
  const auto* index = block.row<int64_t>(1, r);
  U* y = block.row<U>(2, r);
  const auto [sx, si, sy] = block.stride;
  if (si == 0 && sx == 1 && sy == 1)
    return void(std::memcpy(y, x + axis.offset(*index), static_cast<size_t>(block.count) * sizeof(U)));
  for (int64_t i = 0; i < block.count; ++i) y[i * sy] = x[i * sx + axis.offset(index[i * si])];
}

// A row-major copy of x whose elements are in `values`.
Array as_f32(const Array& x, std::vector<float>& values) {
  values.resize(static_cast<size_t>(x.numel()));
  Array y = x;
  y.data = values.data();
  y.dtype = DType::f32;
  int64_t stride = 1;
  for (int d = x.rank - 1; d >= 0; --d) {
    y.strides[d] = stride;
    stride *= x.shape[d];
  }
  copy(x, y);
  return y;
}

template <class T>
T sum(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  else
    return a + b;
}

// Block over the other dimensions: index, g, dx at index 0. `lines` n long go along the axis.
template <class T>
void scatter_row(const Block<3>& block, int64_t r, const Axis& axis, int64_t n, int64_t index_step, int64_t g_step) {
  const auto* index = block.row<int64_t>(0, r);
  const T* g = block.row<T>(1, r);
  T* dx = block.row<T>(2, r);
  const auto [si, sg, sx] = block.stride;
  const auto add = [&, si = si, sg = sg, sx = sx](int64_t line, int64_t i) {
    T& to = dx[line * sx + axis.offset(index[line * si + i * index_step])];
    to = sum(to, g[line * sg + i * g_step]);
  };
  constexpr int64_t kFew = 8;
  if (block.count < kFew) {
    for (int64_t line = 0; line < block.count; ++line)
      for (int64_t i = 0; i < n; ++i) add(line, i);
  } else {
    for (int64_t i = 0; i < n; ++i)
      for (int64_t line = 0; line < block.count; ++line) add(line, i);
  }
}

// Contributions add up in f32: in bf16 they would vanish beside a sum 256 times as large.
void scatter_add_bf16(const Array& g, const Array& index, int dim, const Array& dx) {
  std::vector<float> g_values, dx_values;
  const Array g32 = as_f32(g, g_values), dx32 = as_f32(dx, dx_values);
  scatter_add(g32, index, dim, dx32);
  copy(dx32, dx);
}

}  // namespace

void gather(const Array& x, const Array& index, int dim, const Array& y) {
  const Axis axis{dim, x.shape[dim], x.strides[dim]};
  Array first = x;
  first.strides[dim] = 0;
  const auto run = [&]<class U>(U) {
    for_each_block<3>({&first, &index, &y}, [&axis](const Block<3>& block) {
      for (int64_t r = 0; r < block.rows; ++r) gather_row<U>(block, r, axis);
    });
  };
  switch (size_of(x.dtype)) {
    case 1:
      return run(uint8_t());
    case 2:
      return run(uint16_t());
    case 4:
      return run(uint32_t());
    default:
      return run(uint64_t());
  }
}

void scatter_add(const Array& g, const Array& index, int dim, const Array& dx) {
  if (dx.dtype == DType::bf16) return scatter_add_bf16(g, index, dim, dx);
  const Axis axis{dim, dx.shape[dim], dx.strides[dim]};
  Array first = dx;
  first.shape = index.shape;
  const StridedLoops<3> lines({&index, &g, &first}, LoopOrder::memory, ~(1u << dim));
  const int64_t n = index.shape[dim], grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(n, 1));
  visit_dtype(dx.dtype, [&]<class T>(std::type_identity<T>) {
    if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
      parallel_for(lines.numel(), grain, [&](int64_t begin, int64_t end) {
        lines.walk(begin, end, [&](const Block<3>& block) {
          for (int64_t r = 0; r < block.rows; ++r)
            scatter_row<T>(block, r, axis, n, index.strides[dim], g.strides[dim]);
        });
      });
    } else {
      fail("scatter_add does not take {}", name_of(dx.dtype));
    }
  });
}

}  // namespace ingot::kernels
