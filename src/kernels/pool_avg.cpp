#include "kernels/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool_avg.cpp"
#include <hwy/foreach_target.h>

#include <vector>

#include "base/check.h"
#include "base/isa.h"
#include "base/parallel.h"
#include "kernels/pool_vectors.h"
#include "kernels/pool_windows.h"

#ifndef INGOT_AVERAGE
#define INGOT_AVERAGE
namespace ingot::kernels {

/// An average pooling, in either direction. Forward, an output sums its bins over x; backward, a place of x sums what
/// its readers in y pass on.
struct Average {
  const Array &x, &y;
  PoolAxis rows, columns;
  int64_t divisor_override = 0;

  double scale(const Bin& row, const Bin& column) const {
    return 1.0 / static_cast<double>(divisor_override != 0 ? divisor_override : row.divisor * column.divisor);
  }
};

}  // namespace ingot::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace ingot::kernels::HWY_NAMESPACE {

// Channels [c0, c1) of one output pixel: the sum of its window, divided.
template <class T>
void average_pixel(const Average& p, const T* x, T* y, const Bin& row, const Bin& column, int64_t c0, int64_t c1) {
  using A = Accumulator<T>;
  const Lanes<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const bool empty = row.begin >= row.end || column.begin >= column.end;
  const A divisor = p.divisor_override != 0 ? A(p.divisor_override) : A(row.divisor * column.divisor);
  int64_t c = c0;
  if (p.x.strides[1] == 1 && p.y.strides[1] == 1 && !empty)
    for (; c + lanes <= c1; c += lanes) {
      auto sum = hn::Zero(d);
      for (int64_t h = row.begin; h < row.end; ++h)
        for (int64_t w = column.begin; w < column.end; ++w)
          sum = hn::Add(sum, load(d, x + c + h * p.x.strides[2] + w * p.x.strides[3]));
      store(hn::Div(sum, hn::Set(d, divisor)), d, y + c);
    }
  for (; c < c1; ++c) {
    A sum = 0;
    for (int64_t h = row.begin; h < row.end; ++h)
      for (int64_t w = column.begin; w < column.end; ++w)
        sum += A(x[c * p.x.strides[1] + h * p.x.strides[2] + w * p.x.strides[3]]);
    y[c * p.y.strides[1]] = T(empty ? A(0) : sum / divisor);
  }
}

template <class T>
void average_row(const Average& p, int64_t n, int64_t i, int64_t c0, int64_t c1) {
  const Bin row = p.rows.bin(i);
  T* y = p.y.as<T>() + n * p.y.strides[0] + i * p.y.strides[2];
  for (int64_t j = 0; j < p.y.shape[3]; ++j)
    average_pixel(p, p.x.as<T>() + n * p.x.strides[0], y + j * p.y.strides[3], row, p.columns.bin(j), c0, c1);
}

/// An output that reads a place: where it lies in a channel of y, and the share of its gradient that the place gets.
struct Reader {
  int64_t at;
  double share;
};

inline void list_readers(const Average& p, std::pair<int64_t, int64_t> rows, int64_t w, std::vector<Reader>& readers) {
  readers.clear();
  const auto columns = p.columns.readers(w);
  for (int64_t i = rows.first; i < rows.second; ++i) {
    const Bin row = p.rows.bin(i);
    if (row.begin >= row.end) continue;
    for (int64_t j = columns.first; j < columns.second; ++j)
      if (const Bin column = p.columns.bin(j); column.begin < column.end)
        readers.push_back({i * p.y.strides[2] + j * p.y.strides[3], p.scale(row, column)});
  }
}

template <class T>
void spread_row(const Average& p, int64_t n, int64_t h, int64_t c0, int64_t c1) {
  using A = Accumulator<T>;
  const Lanes<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto rows = p.rows.readers(h);
  const int64_t stride = p.y.strides[1];
  const T* g = p.y.as<T>() + n * p.y.strides[0];
  std::vector<Reader> readers;
  for (int64_t w = 0; w < p.x.shape[3]; ++w) {
    list_readers(p, rows, w, readers);
    T* dx = p.x.as<T>() + n * p.x.strides[0] + h * p.x.strides[2] + w * p.x.strides[3];
    int64_t c = c0;
    if (p.x.strides[1] == 1 && stride == 1)
      for (; c + lanes <= c1; c += lanes) {
        auto sum = hn::Zero(d);
        for (const Reader& r : readers)
          sum = hn::MulAdd(load(d, g + r.at + c), hn::Set(d, static_cast<A>(r.share)), sum);
        store(sum, d, dx + c);
      }
    for (; c < c1; ++c) {
      A sum = 0;
      for (const Reader& r : readers) sum += A(g[r.at + c * stride]) * static_cast<A>(r.share);
      dx[c * p.x.strides[1]] = T(sum);
    }
  }
}

void forward(const Average& p, int64_t n, int64_t i, int64_t c0, int64_t c1) {
  switch (p.x.dtype) {
    case DType::f32:
      return average_row<float>(p, n, i, c0, c1);
    case DType::f64:
      return average_row<double>(p, n, i, c0, c1);
    default:
      return average_row<bf16>(p, n, i, c0, c1);
  }
}

void backward(const Average& p, int64_t n, int64_t h, int64_t c0, int64_t c1) {
  switch (p.x.dtype) {
    case DType::f32:
      return spread_row<float>(p, n, h, c0, c1);
    case DType::f64:
      return spread_row<double>(p, n, h, c0, c1);
    default:
      return spread_row<bf16>(p, n, h, c0, c1);
  }
}

}  // namespace ingot::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ingot::kernels {
namespace {

HWY_EXPORT(forward);
HWY_EXPORT(backward);

// Splits the rows of `written` over the threads, and its channels too where there are few rows. Blocks of channels have
// one size whatever the thread count, so that each element is always summed by the same code, vector or scalar.
template <class Row>
void over_rows(const Array& written, int64_t work_per_channel, Row row) {
  CHECK(written.dtype == DType::f32 || written.dtype == DType::f64 || written.dtype == DType::bf16,
        "pooling takes f32, f64 or bf16, not {}", name_of(written.dtype));
  constexpr int64_t kFewRows = 16, kBlock = 64, kGrain = 1 << 14;
  const int64_t height = written.shape[2], rows = written.shape[0] * height, channels = written.shape[1];
  const int64_t block = rows < kFewRows ? kBlock : std::max<int64_t>(channels, 1);
  const int64_t blocks = (channels + block - 1) / block;
  parallel_for(rows * blocks, kGrain / (work_per_channel * block + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t at = task / blocks, c0 = task % blocks * block;
      row(at / height, at % height, c0, std::min(c0 + block, channels));
    }
  });
}

void average(const Average& p) {
  active_isa();  // settles which vectors Highway may use
  if (p.y.numel() == 0) return;
  over_rows(p.y, p.x.shape[2] * p.x.shape[3] / p.y.shape[2] + 1,
            [&](int64_t n, int64_t i, int64_t c0, int64_t c1) { HWY_DYNAMIC_DISPATCH(forward)(p, n, i, c0, c1); });
}

void spread(const Average& p) {
  active_isa();
  over_rows(p.x, p.x.shape[3],
            [&](int64_t n, int64_t h, int64_t c0, int64_t c1) { HWY_DYNAMIC_DISPATCH(backward)(p, n, h, c0, c1); });
}

Average windows(const Array& x, const AvgPoolGeometry& g, const Array& y) {
  return {x,
          y,
          {x.shape[2], y.shape[2], g.kernel.h, g.stride.h, g.padding.top, g.padding.bottom, g.count_include_pad},
          {x.shape[3], y.shape[3], g.kernel.w, g.stride.w, g.padding.left, g.padding.right, g.count_include_pad},
          g.divisor_override};
}

Average adaptive(const Array& x, const Array& y) {
  return {x, y, {.size = x.shape[2], .outputs = y.shape[2]}, {.size = x.shape[3], .outputs = y.shape[3]}};
}

}  // namespace

void avg_pool2d(const Array& x, const AvgPoolGeometry& geometry, const Array& y) { average(windows(x, geometry, y)); }
void avg_pool2d_grad(const Array& g, const AvgPoolGeometry& geometry, const Array& dx) {
  spread(windows(dx, geometry, g));
}
void adaptive_avg_pool2d(const Array& x, const Array& y) { average(adaptive(x, y)); }
void adaptive_avg_pool2d_grad(const Array& g, const Array& dx) { spread(adaptive(dx, g)); }

}  // namespace ingot::kernels
#endif
