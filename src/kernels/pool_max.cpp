#include "kernels/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool_max.cpp"
#include <hwy/foreach_target.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/check.h"
#include "base/isa.h"
#include "base/parallel.h"
#include "kernels/pool_vectors.h"
#include "kernels/pool_windows.h"

HWY_BEFORE_NAMESPACE();
namespace ingot::kernels::HWY_NAMESPACE {

struct MaxPool {
  const Array &x, &y, &index;
  const PoolGeometry& geometry;
};

inline void put_index(const Array& index, int64_t at, int64_t value) {
  index.dtype == DType::i64 ? void(index.as<int64_t>()[at] = value)
                            : void(index.as<int32_t>()[at] = static_cast<int32_t>(value));
}

/// One output pixel: where its window lies, and where its channels begin in x, y and index.
template <class T>
struct Pixel {
  WindowTaps rows, columns;
  const T* x;
  T* y;
  int64_t index;
};

template <class T>
void max_scalar(const MaxPool& p, const Pixel<T>& pixel, int64_t c) {
  using A = Accumulator<T>;
  A best = -std::numeric_limits<A>::infinity();
  int64_t place =
      pixel.rows.is_empty() || pixel.columns.is_empty() ? -1 : pixel.rows.begin * p.x.shape[3] + pixel.columns.begin;
  const T* x = pixel.x + c * p.x.strides[1];
  for (int64_t h = pixel.rows.begin; h < pixel.rows.end; h += pixel.rows.step)
    for (int64_t w = pixel.columns.begin; w < pixel.columns.end; w += pixel.columns.step) {
      const A value = x[h * p.x.strides[2] + w * p.x.strides[3]];
      if (!(value > best || std::isnan(value))) continue;
      best = value;
      place = h * p.x.shape[3] + w;
    }
  pixel.y[c * p.y.strides[1]] = T(best);
  if (p.index) put_index(p.index, pixel.index + c * p.index.strides[1], place);
}

// Channels [0, vectors * lanes) whose stride is 1; returns how many that were.
template <class T, bool kIndex>
int64_t max_vectors(const MaxPool& p, const Pixel<T>& pixel) {
  const Lanes<T> d;
  const hn::RebindToSigned<Lanes<T>> di;
  using I = hn::TFromD<decltype(di)>;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const bool empty = pixel.rows.is_empty() || pixel.columns.is_empty();
  const I start = empty ? I(-1) : static_cast<I>(pixel.rows.begin * p.x.shape[3] + pixel.columns.begin);
  int64_t c = 0;
  for (; c + lanes <= p.x.shape[1]; c += lanes) {
    auto best = hn::Set(d, -std::numeric_limits<Accumulator<T>>::infinity());
    auto places = hn::Set(di, start);
    for (int64_t h = pixel.rows.begin; h < pixel.rows.end; h += pixel.rows.step) {
      const T* row = pixel.x + c + h * p.x.strides[2];
      for (int64_t w = pixel.columns.begin; w < pixel.columns.end; w += pixel.columns.step) {
        const auto value = load(d, row + w * p.x.strides[3]);
        const auto better = hn::Or(hn::Gt(value, best), hn::IsNaN(value));
        best = hn::IfThenElse(better, value, best);
        if constexpr (kIndex) {
          const auto here = hn::Set(di, static_cast<I>(h * p.x.shape[3] + w));
          places = hn::IfThenElse(hn::RebindMask(di, better), here, places);
        }
      }
    }
    store(best, d, pixel.y + c);
    if constexpr (kIndex) {
      HWY_ALIGN I out[hn::MaxLanes(Lanes<T>())];
      hn::Store(places, di, out);
      for (int64_t k = 0; k < lanes; ++k) put_index(p.index, pixel.index + (c + k) * p.index.strides[1], out[k]);
    }
  }
  return c;
}

template <class T>
void max_row(const MaxPool& p, int64_t n, int64_t i) {
  const auto& [kernel, stride, dilation, padding] = p.geometry;
  const bool dense = p.x.strides[1] == 1 && p.y.strides[1] == 1;
  const WindowTaps rows(i, kernel.h, stride.h, dilation.h, padding.top, p.x.shape[2]);
  for (int64_t j = 0; j < p.y.shape[3]; ++j) {
    const Pixel<T> pixel{rows, WindowTaps(j, kernel.w, stride.w, dilation.w, padding.left, p.x.shape[3]),
                         p.x.as<T>() + n * p.x.strides[0],
                         p.y.as<T>() + n * p.y.strides[0] + i * p.y.strides[2] + j * p.y.strides[3],
                         p.index ? n * p.index.strides[0] + i * p.index.strides[2] + j * p.index.strides[3] : 0};
    int64_t c = 0;
    if (dense) c = p.index ? max_vectors<T, true>(p, pixel) : max_vectors<T, false>(p, pixel);
    for (; c < p.x.shape[1]; ++c) max_scalar(p, pixel, c);
  }
}

void max_rows(const Array& x, const PoolGeometry& geometry, const Array& y, const Array& index, int64_t begin,
              int64_t end) {
  const MaxPool p{x, y, index, geometry};
  for (int64_t row = begin; row < end; ++row) {
    const int64_t n = row / y.shape[2], i = row % y.shape[2];
    switch (x.dtype) {
      case DType::f32:
        max_row<float>(p, n, i);
        break;
      case DType::f64:
        max_row<double>(p, n, i);
        break;
      default:
        max_row<bf16>(p, n, i);
        break;
    }
  }
}

}  // namespace ingot::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ingot::kernels {
namespace {

HWY_EXPORT(max_rows);

constexpr int64_t kGrain = 1 << 14;  // elements that are worth a thread

/// Channels of one image of an array: a pointer to the first and the strides from there.
template <class T>
struct Slab {
  T* data;
  int64_t channel, row, column;

  Slab(const Array& a, int64_t n, int64_t c0)
      : data(a.as<T>() + n * a.strides[0] + c0 * a.strides[1]),
        channel(a.strides[1]),
        row(a.strides[2]),
        column(a.strides[3]) {}
  Slab(T* dense, int64_t channels, int64_t width) : data(dense), channel(1), row(width * channels), column(channels) {}
  T* at(int64_t h, int64_t w) const { return data + h * row + w * column; }
};

template <class From, class To, class F>
void each_pixel(const Array& plane, Slab<From> from, Slab<To> to, int64_t channels, F f) {
  for (int64_t h = 0; h < plane.shape[2]; ++h)
    for (int64_t w = 0; w < plane.shape[3]; ++w)
      for (int64_t c = 0; c < channels; ++c) f(from.at(h, w)[c * from.channel], to.at(h, w)[c * to.channel]);
}

// sums[index] += g over `channels` channels; the order of additions is that of the outputs. An index outside the plane
// adds nothing: -1 stands for a window of padding, and a graph from a file may hand in anything.
template <class T, class A, class Index>
void scatter(const Array& g, Slab<T> from, Slab<Index> index, Slab<A> sums, const Array& dx, int64_t channels) {
  const int64_t width = dx.shape[3];
  const auto places = static_cast<uint64_t>(dx.shape[2] * width);
  const bool flat = sums.row == width * sums.column;
  for (int64_t i = 0; i < g.shape[2]; ++i)
    for (int64_t j = 0; j < g.shape[3]; ++j) {
      const T* value = from.at(i, j);
      const Index* place = index.at(i, j);
      for (int64_t c = 0; c < channels; ++c) {
        const int64_t at = place[c * index.channel];
        if (static_cast<uint64_t>(at) >= places) continue;
        const int64_t offset = flat ? at * sums.column : at / width * sums.row + at % width * sums.column;
        sums.data[offset + c * sums.channel] += A(value[c * from.channel]);
      }
    }
}

// Channels [c0, c1) of image n. Sums of bf16 are kept in f32 until the plane is done.
template <class T, class Index>
void scatter_channels(const Array& g, const Array& index, const Array& dx, int64_t n, int64_t c0, int64_t c1) {
  const int64_t width = dx.shape[3], channels = c1 - c0;
  const Slab<T> to(dx, n, c0);
  if constexpr (std::is_same_v<T, bf16>) {
    std::vector<float> plane(dx.shape[2] * width * channels, 0.0f);
    const Slab<float> sums(plane.data(), channels, width);
    scatter(g, Slab<T>(g, n, c0), Slab<Index>(index, n, c0), sums, dx, channels);
    each_pixel(dx, sums, to, channels, [](float sum, T& result) { result = T(sum); });
  } else {
    each_pixel(dx, to, to, channels, [](T, T& result) { result = T(0); });
    scatter(g, Slab<T>(g, n, c0), Slab<Index>(index, n, c0), to, dx, channels);
  }
}

template <class T>
void scatter_all(const Array& g, const Array& index, const Array& dx) {
  if (dx.numel() == 0) return;
  // Whole pixels are fastest; few images are split by channels so that every thread has work.
  constexpr int64_t kFewest = 16;
  const int64_t splits = (num_threads() + dx.shape[0] - 1) / dx.shape[0];
  const int64_t block = std::max(kFewest, (dx.shape[1] + splits - 1) / splits);
  const int64_t blocks = (dx.shape[1] + block - 1) / block;
  parallel_for(dx.shape[0] * blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t n = task / blocks, c0 = task % blocks * block, c1 = std::min(c0 + block, dx.shape[1]);
      index.dtype == DType::i64 ? scatter_channels<T, int64_t>(g, index, dx, n, c0, c1)
                                : scatter_channels<T, int32_t>(g, index, dx, n, c0, c1);
    }
  });
}

}  // namespace

void max_pool2d(const Array& x, const PoolGeometry& geometry, const Array& y, const Array& index) {
  active_isa();  // settles which vectors Highway may use
  CHECK(x.dtype == DType::f32 || x.dtype == DType::f64 || x.dtype == DType::bf16,
        "pooling takes f32, f64 or bf16, not {}", name_of(x.dtype));
  const int64_t per_row = y.shape[1] * y.shape[3] * geometry.kernel.h * geometry.kernel.w;
  parallel_for(y.shape[0] * y.shape[2], kGrain / (per_row + 1) + 1,
               [&](int64_t begin, int64_t end) { HWY_DYNAMIC_DISPATCH(max_rows)(x, geometry, y, index, begin, end); });
}

void max_pool2d_grad(const Array& g, const Array& index, const Array& dx) {
  switch (dx.dtype) {
    case DType::f32:
      return scatter_all<float>(g, index, dx);
    case DType::f64:
      return scatter_all<double>(g, index, dx);
    case DType::bf16:
      return scatter_all<bf16>(g, index, dx);
    default:
      fail("pooling takes f32, f64 or bf16, not {}", name_of(dx.dtype));
  }
}

}  // namespace ingot::kernels
#endif
