#pragma once

#include <algorithm>

#include "base/check.h"
#include "base/convert.h"
#include "base/parallel.h"
#include "base/visit_dtype.h"
#include "tensor/each_element.h"
#include "tensor/impl.h"

namespace ingot {

/// x at each row-major position i is one of the two numbers that draw(i / 2) makes of a counter; rows of the first
/// dimension are spread over the threads.
template <class Draw>
void fill_random(Tensor& x, const Draw& draw) {
  CHECK(x.dtype() == DType::f32 || x.dtype() == DType::f64, "random values are f32 or f64, not {}", name_of(x.dtype()));
  visit_dtype(x.dtype(), [&]<class T>(std::type_identity<T>) {
    T* data = x.mutable_data<T>();
    Array row = array_of(x);
    const int64_t rows = row.rank > 0 ? row.shape[0] : 1, step = row.rank > 0 ? row.strides[0] : 0;
    if (row.rank > 0) row.shape[0] = 1;
    const int64_t inner = row.numel();
    constexpr int64_t kGrain = 4096;  // elements worth a thread
    parallel_for(rows, kGrain / std::max<int64_t>(inner, 1) + 1, [&](int64_t begin, int64_t end) {
      int64_t counter = -1;
      std::array<double, 2> drawn{};
      for (int64_t r = begin; r < end; ++r)
        each_element(row, [&](int64_t i, int64_t at) {
          const int64_t position = r * inner + i;
          if (position / 2 != counter) drawn = draw(static_cast<uint64_t>(counter = position / 2));
          data[r * step + at] = convert<T>(drawn[static_cast<size_t>(position % 2)]);
        });
    });
  });
}

}  // namespace ingot
