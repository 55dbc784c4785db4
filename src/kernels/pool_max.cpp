#include "kernels/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool_max.cpp"
#include <hwy/foreach_target.h>

#include <cmath>
#include <limits>
#include <span>
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

/// Where the channels of a pixel begin.
template <class T>
T* at_pixel(const Array& a, int64_t n, int64_t h, int64_t w) {
  return a.as<T>() + n * a.strides[0] + h * a.strides[2] + w * a.strides[3];
}

/// One of the pixels that a window covers, from the first one: where its channels lie, and its place in the plane.
struct Tap {
  int64_t at, place;
};

template <class T>
void max_scalar(const MaxPool& p, const T* x, int64_t first, std::span<const Tap> taps, T* y, int32_t* index,
                int64_t c) {
  using A = Accumulator<T>;
  A best = -std::numeric_limits<A>::infinity();
  int64_t place = taps.empty() ? -1 : first;
  for (const Tap& tap : taps) {
    const A value = x[tap.at + c * p.x.strides[1]];
    if (!(value > best || std::isnan(value))) continue;
    best = value;
    place = first + tap.place;
  }
  y[c * p.y.strides[1]] = T(best);
  if (index) index[c * p.index.strides[1]] = static_cast<int32_t>(place);
}

// The places of a vector's lanes are i32 in memory, and as wide as the values in registers.
template <class D>
hn::Vec<D> load_index(D d, const int32_t* p) {
  if constexpr (sizeof(hn::TFromD<D>) == sizeof(int32_t)) {
    return hn::LoadU(d, p);
  } else {
    return hn::PromoteTo(d, hn::LoadU(hn::Rebind<int32_t, D>(), p));
  }
}
template <class D>
void store_index(D d, hn::Vec<D> places, int32_t* p) {
  if constexpr (sizeof(hn::TFromD<D>) == sizeof(int32_t)) {
    hn::StoreU(places, d, p);
  } else {
    HWY_ALIGN hn::TFromD<D> lanes[hn::MaxLanes(D())];
    hn::Store(places, d, lanes);
    for (size_t i = 0; i < hn::Lanes(d); ++i) p[i] = static_cast<int32_t>(lanes[i]);
  }
}

constexpr int kSide = 4;  // vectors that go through the taps side by side

// kVectors of channels whose stride is 1.
template <class T, bool kIndex, int kVectors>
HWY_INLINE void max_vectors(const T* x, int64_t first, std::span<const Tap> taps, T* y, int32_t* index) {
  const Lanes<T> d;
  const hn::RebindToSigned<Lanes<T>> di;
  using I = hn::TFromD<decltype(di)>;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  hn::Vec<Lanes<T>> best[kVectors];
  hn::Vec<decltype(di)> places[kVectors];
  for (int k = 0; k < kVectors; ++k) {
    best[k] = hn::Set(d, -std::numeric_limits<Accumulator<T>>::infinity());
    places[k] = hn::Set(di, static_cast<I>(taps.empty() ? -1 : first));
  }
  for (const Tap& tap : taps) {
    const auto here = hn::Set(di, static_cast<I>(first + tap.place));
#pragma GCC unroll 4
    for (int k = 0; k < kVectors; ++k) {
      const auto value = load(d, x + tap.at + k * lanes);
      const auto better = hn::Or(hn::Gt(value, best[k]), hn::IsNaN(value));
      best[k] = hn::IfThenElse(better, value, best[k]);
      if constexpr (kIndex) places[k] = hn::IfThenElse(hn::RebindMask(di, better), here, places[k]);
    }
  }
  for (int k = 0; k < kVectors; ++k) {
    store(best[k], d, y + k * lanes);
    if constexpr (kIndex) store_index(di, places[k], index + k * lanes);
  }
}

// The channels [0, result), those that fill whole vectors.
template <class T, bool kIndex>
int64_t max_channels(const MaxPool& p, const T* x, int64_t first, std::span<const Tap> taps, T* y, int32_t* index) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(Lanes<T>()));
  const int64_t channels = p.x.shape[1];
  int64_t c = 0;
  for (; c + kSide * lanes <= channels; c += kSide * lanes)
    max_vectors<T, kIndex, kSide>(x + c, first, taps, y + c, kIndex ? index + c : nullptr);
  for (; c + lanes <= channels; c += lanes)
    max_vectors<T, kIndex, 1>(x + c, first, taps, y + c, kIndex ? index + c : nullptr);
  return c;
}

template <class T>
void max_row(const MaxPool& p, int64_t n, int64_t i) {
  const auto& [kernel, stride, dilation, padding] = p.geometry;
  const bool dense = p.x.strides[1] == 1 && p.y.strides[1] == 1 && (!p.index || p.index.strides[1] == 1);
  const WindowTaps rows(i, kernel.h, stride.h, dilation.h, padding.top, p.x.shape[2]);
  thread_local std::vector<Tap> taps;  // kept, so that an engine that is warm allocates nothing
  int64_t width = -1;                  // of the window that the taps are of; most windows of a row are alike
  for (int64_t j = 0; j < p.y.shape[3]; ++j) {
    const WindowTaps columns(j, kernel.w, stride.w, dilation.w, padding.left, p.x.shape[3]);
    if (columns.end - columns.begin != width) {
      width = columns.end - columns.begin;
      taps.clear();
      for (int64_t h = 0; h < rows.end - rows.begin; h += rows.step)
        for (int64_t w = 0; w < width; w += columns.step)
          taps.push_back({h * p.x.strides[2] + w * p.x.strides[3], h * p.x.shape[3] + w});
    }
    const T* x = at_pixel<T>(p.x, n, rows.begin, columns.begin);
    const int64_t first = rows.begin * p.x.shape[3] + columns.begin;
    T* y = at_pixel<T>(p.y, n, i, j);
    int32_t* index = p.index ? at_pixel<int32_t>(p.index, n, i, j) : nullptr;
    int64_t c = 0;
    if (dense)
      c = index ? max_channels<T, true>(p, x, first, taps, y, index)
                : max_channels<T, false>(p, x, first, taps, y, index);
    for (; c < p.x.shape[1]; ++c) max_scalar(p, x, first, taps, y, index, c);
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

struct MaxPoolGrad {
  const Array &g, &index, &dx;
  const PoolGeometry& geometry;
};

/// The outputs whose windows cover a pixel of dx, and where the channels of the first lie in g and the index.
template <class T>
struct Covered {
  int64_t rows, columns, place;
  const T* g;
  const int32_t* index;
};

// The outputs are added in their order. What the places say decides only whether a gradient counts, never where it is
// written: a graph from a file may hand in anything.
template <class T>
void grad_scalar(const MaxPoolGrad& p, const Covered<T>& at, T* dx, int64_t c) {
  Accumulator<T> sum = 0;
  for (int64_t i = 0; i < at.rows; ++i)
    for (int64_t j = 0; j < at.columns; ++j) {
      const int32_t* index = at.index + i * p.index.strides[2] + j * p.index.strides[3];
      const T* g = at.g + i * p.g.strides[2] + j * p.g.strides[3];
      if (index[c * p.index.strides[1]] == at.place) sum += Accumulator<T>(g[c * p.g.strides[1]]);
    }
  dx[c * p.dx.strides[1]] = T(sum);
}

template <class T, int kVectors>
HWY_INLINE void grad_vectors(const MaxPoolGrad& p, const Covered<T>& at, int64_t c, T* dx) {
  const Lanes<T> d;
  const hn::RebindToSigned<Lanes<T>> di;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto wanted = hn::Set(di, static_cast<hn::TFromD<decltype(di)>>(at.place));
  hn::Vec<Lanes<T>> sum[kVectors];
  for (int k = 0; k < kVectors; ++k) sum[k] = hn::Zero(d);
  for (int64_t i = 0; i < at.rows; ++i) {
    const T* g = at.g + c + i * p.g.strides[2];
    const int32_t* index = at.index + c + i * p.index.strides[2];
    for (int64_t j = 0; j < at.columns; ++j, g += p.g.strides[3], index += p.index.strides[3]) {
#pragma GCC unroll 4
      for (int k = 0; k < kVectors; ++k) {
        const auto chosen = hn::Eq(load_index(di, index + k * lanes), wanted);
        sum[k] = hn::Add(sum[k], hn::IfThenElseZero(hn::RebindMask(d, chosen), load(d, g + k * lanes)));
      }
    }
  }
  for (int k = 0; k < kVectors; ++k) store(sum[k], d, dx + c + k * lanes);
}

template <class T>
void grad_row(const MaxPoolGrad& p, int64_t n, int64_t h, std::span<const WindowReaders> columns) {
  const auto& [kernel, stride, dilation, padding] = p.geometry;
  const auto lanes = static_cast<int64_t>(hn::Lanes(Lanes<T>()));
  const bool dense = p.g.strides[1] == 1 && p.index.strides[1] == 1 && p.dx.strides[1] == 1;
  const WindowReaders rows(h, kernel.h, stride.h, dilation.h, padding.top, p.g.shape[2]);
  const int64_t channels = p.dx.shape[1], width = p.dx.shape[3];
  const T* g = at_pixel<T>(p.g, n, rows.begin, 0);
  const auto* index = at_pixel<int32_t>(p.index, n, rows.begin, 0);
  T* dx = at_pixel<T>(p.dx, n, h, 0);
  for (int64_t w = 0; w < width; ++w, dx += p.dx.strides[3]) {
    const WindowReaders& reader = columns[static_cast<size_t>(w)];
    const Covered<T> at{rows.end - rows.begin, reader.end - reader.begin, h * width + w,
                        g + reader.begin * p.g.strides[3], index + reader.begin * p.index.strides[3]};
    int64_t c = 0;
    if (dense) {
      for (; c + kSide * lanes <= channels; c += kSide * lanes) grad_vectors<T, kSide>(p, at, c, dx);
      for (; c + lanes <= channels; c += lanes) grad_vectors<T, 1>(p, at, c, dx);
    }
    for (; c < channels; ++c) grad_scalar(p, at, dx, c);
  }
}

void max_grad_rows(const Array& g, const Array& index, const PoolGeometry& geometry, const Array& dx, int64_t begin,
                   int64_t end) {
  const MaxPoolGrad p{g, index, dx, geometry};
  std::vector<WindowReaders> columns;
  for (int64_t w = 0; w < dx.shape[3]; ++w)
    columns.emplace_back(w, geometry.kernel.w, geometry.stride.w, geometry.dilation.w, geometry.padding.left,
                         g.shape[3]);
  for (int64_t row = begin; row < end; ++row) {
    const int64_t n = row / dx.shape[2], h = row % dx.shape[2];
    switch (dx.dtype) {
      case DType::f32:
        grad_row<float>(p, n, h, columns);
        break;
      case DType::f64:
        grad_row<double>(p, n, h, columns);
        break;
      default:
        grad_row<bf16>(p, n, h, columns);
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
HWY_EXPORT(max_grad_rows);

constexpr int64_t kGrain = 1 << 14;  // elements that are worth a thread

void check_pooled(const Array& a) {
  CHECK(a.dtype == DType::f32 || a.dtype == DType::f64 || a.dtype == DType::bf16,
        "pooling takes f32, f64 or bf16, not {}", name_of(a.dtype));
}

}  // namespace

void max_pool2d(const Array& x, const PoolGeometry& geometry, const Array& y, const Array& index) {
  active_isa();  // settles which vectors Highway may use
  check_pooled(x);
  CHECK(!index || x.shape[2] * x.shape[3] <= std::numeric_limits<int32_t>::max(),
        "places in a plane of {}x{} do not fit in 32 bits", x.shape[2], x.shape[3]);
  const int64_t per_row = y.shape[1] * y.shape[3] * geometry.kernel.h * geometry.kernel.w;
  parallel_for(y.shape[0] * y.shape[2], kGrain / (per_row + 1) + 1,
               [&](int64_t begin, int64_t end) { HWY_DYNAMIC_DISPATCH(max_rows)(x, geometry, y, index, begin, end); });
}

void max_pool2d_grad(const Array& g, const Array& index, const PoolGeometry& geometry, const Array& dx) {
  active_isa();
  check_pooled(dx);
  const int64_t per_row = dx.shape[1] * dx.shape[3];
  parallel_for(dx.shape[0] * dx.shape[2], kGrain / (per_row + 1) + 1, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(max_grad_rows)(g, index, geometry, dx, begin, end);
  });
}

}  // namespace ingot::kernels
#endif
