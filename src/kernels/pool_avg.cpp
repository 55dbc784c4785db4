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
  PoolAxis row_axis, column_axis;
  int64_t divisor_override = 0;
  // Backward: the bins of y, and the readers of x's places.
  std::vector<Bin> rows = {}, columns = {};
  std::vector<Readers> row_readers = {}, column_readers = {};

  double divisor(const Bin& row, const Bin& column) const {
    return static_cast<double>(divisor_override != 0 ? divisor_override : row.divisor * column.divisor);
  }
};

/// The pixels that a pixel sums: how far their channels lie from those of the first, and what each is multiplied by.
struct Taps {
  std::vector<int64_t> at;
  std::vector<double> share;  // empty: ones
  double divisor = 1;
};

}  // namespace ingot::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace ingot::kernels::HWY_NAMESPACE {

constexpr int kSide = 4;  // vectors that are summed side by side: two cache lines of each tap, or more

/// kVectors of to[c] = the sum over the taps of from[at + c] * share, over the divisor.
template <class T, int kVectors>
HWY_INLINE void sum_taps(const T* from, const Taps& taps, T* to) {
  const Lanes<T> d;
  using A = Accumulator<T>;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  hn::Vec<Lanes<T>> sum[kVectors];
  for (int k = 0; k < kVectors; ++k) sum[k] = hn::Zero(d);
  for (size_t i = 0; i < taps.at.size(); ++i) {
    const T* p = from + taps.at[i];
    if (taps.share.empty()) {
#pragma GCC unroll 4
      for (int k = 0; k < kVectors; ++k) sum[k] = hn::Add(sum[k], load(d, p + k * lanes));
      continue;
    }
    const auto share = hn::Set(d, static_cast<A>(taps.share[i]));
#pragma GCC unroll 4
    for (int k = 0; k < kVectors; ++k) sum[k] = hn::MulAdd(load(d, p + k * lanes), share, sum[k]);
  }
  const auto divisor = hn::Set(d, static_cast<A>(taps.divisor));
#pragma GCC unroll 4
  for (int k = 0; k < kVectors; ++k) store(taps.share.empty() ? hn::Div(sum[k], divisor) : sum[k], d, to + k * lanes);
}

/// Channels [c0, c1) of a pixel of `b` from those of `a`.
template <class T>
void sum_channels(const Array& a, const T* from, const Taps& taps, const Array& b, T* to, int64_t c0, int64_t c1) {
  using A = Accumulator<T>;
  const auto lanes = static_cast<int64_t>(hn::Lanes(Lanes<T>()));
  int64_t c = c0;
  if (a.strides[1] == 1 && b.strides[1] == 1) {
    for (; c + kSide * lanes <= c1; c += kSide * lanes) sum_taps<T, kSide>(from + c, taps, to + c);
    for (; c + lanes <= c1; c += lanes) sum_taps<T, 1>(from + c, taps, to + c);
  }
  for (; c < c1; ++c) {
    A sum = 0;
    for (size_t i = 0; i < taps.at.size(); ++i)
      sum += A(from[taps.at[i] + c * a.strides[1]]) * (taps.share.empty() ? A(1) : static_cast<A>(taps.share[i]));
    to[c * b.strides[1]] = T(sum / static_cast<A>(taps.divisor));
  }
}

template <class T>
void average_row(const Average& p, int64_t n, int64_t i, int64_t c0, int64_t c1) {
  const Bin row = p.row_axis.bin(i);
  const T* x = p.x.as<T>() + n * p.x.strides[0] + row.begin * p.x.strides[2];
  T* y = p.y.as<T>() + n * p.y.strides[0] + i * p.y.strides[2];
  thread_local Taps taps;  // kept, so that an engine that is warm allocates nothing
  int64_t width = -1;      // of the window that the taps are of; most windows of a row are alike
  for (int64_t j = 0; j < p.column_axis.outputs; ++j) {
    const Bin column = p.column_axis.bin(j);
    if (column.end - column.begin != width) {
      width = column.end - column.begin;
      taps.at.clear();
      for (int64_t h = 0; h < row.end - row.begin; ++h)
        for (int64_t w = 0; w < width; ++w) taps.at.push_back(h * p.x.strides[2] + w * p.x.strides[3]);
    }
    taps.divisor = taps.at.empty() ? 1 : p.divisor(row, column);
    sum_channels<T>(p.x, x + column.begin * p.x.strides[3], taps, p.y, y, c0, c1);
    y += p.y.strides[3];
  }
}

template <class T>
void spread_row(const Average& p, int64_t n, int64_t h, int64_t c0, int64_t c1) {
  const Readers rows = p.row_readers[static_cast<size_t>(h)];
  const T* g = p.y.as<T>() + n * p.y.strides[0];
  T* dx = p.x.as<T>() + n * p.x.strides[0] + h * p.x.strides[2];
  Taps taps;
  for (const Readers columns : p.column_readers) {
    taps.at.clear(), taps.share.clear();
    for (int64_t i = rows.begin; i < rows.end; ++i)
      for (int64_t j = columns.begin; j < columns.end; ++j) {
        const Bin &row = p.rows[static_cast<size_t>(i)], &column = p.columns[static_cast<size_t>(j)];
        if (row.begin >= row.end || column.begin >= column.end) continue;
        taps.at.push_back(i * p.y.strides[2] + j * p.y.strides[3]);
        taps.share.push_back(1 / p.divisor(row, column));
      }
    sum_channels<T>(p.y, g, taps, p.x, dx, c0, c1);
    dx += p.x.strides[3];
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

void spread(Average p) {
  active_isa();
  p.rows = p.row_axis.bins();
  p.columns = p.column_axis.bins();
  p.row_readers = readers_of_places(p.rows, p.x.shape[2]);
  p.column_readers = readers_of_places(p.columns, p.x.shape[3]);
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
