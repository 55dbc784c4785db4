#include "kernels/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool_max.cpp"
#include <hwy/foreach_target.h>

#include <cmath>
#include <limits>

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

/// One output pixel: where its window lies, and where its channels begin in x, y and index.
template <class T>
struct Pixel {
  WindowTaps rows, columns;
  const T* x;
  T* y;
  int32_t* index;  // null where nobody wants it
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
  if (pixel.index) pixel.index[c * p.index.strides[1]] = static_cast<int32_t>(place);
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
    if constexpr (kIndex) store_index(di, places, pixel.index + c);
  }
  return c;
}

template <class T>
void max_row(const MaxPool& p, int64_t n, int64_t i) {
  const auto& [kernel, stride, dilation, padding] = p.geometry;
  const bool dense = p.x.strides[1] == 1 && p.y.strides[1] == 1 && (!p.index || p.index.strides[1] == 1);
  const WindowTaps rows(i, kernel.h, stride.h, dilation.h, padding.top, p.x.shape[2]);
  for (int64_t j = 0; j < p.y.shape[3]; ++j) {
    const Pixel<T> pixel{rows, WindowTaps(j, kernel.w, stride.w, dilation.w, padding.left, p.x.shape[3]),
                         p.x.as<T>() + n * p.x.strides[0], at_pixel<T>(p.y, n, i, j),
                         p.index ? at_pixel<int32_t>(p.index, n, i, j) : nullptr};
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

struct MaxPoolGrad {
  const Array &g, &index, &dx;
  const PoolGeometry& geometry;
};

/// One pixel of dx: its place in the plane, and the outputs whose windows cover it.
struct Covered {
  int64_t n, place;
  WindowReaders rows, columns;
};

// The outputs are added in their order. What the places say decides only whether a gradient counts, never where it is
// written: a graph from a file may hand in anything.
template <class T>
void grad_scalar(const MaxPoolGrad& p, const Covered& at, T* dx, int64_t c) {
  Accumulator<T> sum = 0;
  for (int64_t i = at.rows.begin; i < at.rows.end; ++i)
    for (int64_t j = at.columns.begin; j < at.columns.end; ++j)
      if (at_pixel<int32_t>(p.index, at.n, i, j)[c * p.index.strides[1]] == at.place)
        sum += Accumulator<T>(at_pixel<T>(p.g, at.n, i, j)[c * p.g.strides[1]]);
  dx[c * p.dx.strides[1]] = T(sum);
}

template <class T>
int64_t grad_vectors(const MaxPoolGrad& p, const Covered& at, T* dx) {
  const Lanes<T> d;
  const hn::RebindToSigned<Lanes<T>> di;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto place = hn::Set(di, static_cast<hn::TFromD<decltype(di)>>(at.place));
  int64_t c = 0;
  for (; c + lanes <= p.dx.shape[1]; c += lanes) {
    auto sum = hn::Zero(d);
    for (int64_t i = at.rows.begin; i < at.rows.end; ++i)
      for (int64_t j = at.columns.begin; j < at.columns.end; ++j) {
        const auto chosen = hn::Eq(load_index(di, at_pixel<int32_t>(p.index, at.n, i, j) + c), place);
        const auto value = load(d, at_pixel<T>(p.g, at.n, i, j) + c);
        sum = hn::Add(sum, hn::IfThenElseZero(hn::RebindMask(d, chosen), value));
      }
    store(sum, d, dx + c);
  }
  return c;
}

template <class T>
void grad_row(const MaxPoolGrad& p, int64_t n, int64_t h) {
  const auto& [kernel, stride, dilation, padding] = p.geometry;
  const bool dense = p.g.strides[1] == 1 && p.index.strides[1] == 1 && p.dx.strides[1] == 1;
  const WindowReaders rows(h, kernel.h, stride.h, dilation.h, padding.top, p.g.shape[2]);
  for (int64_t w = 0; w < p.dx.shape[3]; ++w) {
    const Covered at{n, h * p.dx.shape[3] + w, rows,
                     WindowReaders(w, kernel.w, stride.w, dilation.w, padding.left, p.g.shape[3])};
    T* dx = at_pixel<T>(p.dx, n, h, w);
    int64_t c = dense ? grad_vectors(p, at, dx) : 0;
    for (; c < p.dx.shape[1]; ++c) grad_scalar(p, at, dx, c);
  }
}

void max_grad_rows(const Array& g, const Array& index, const PoolGeometry& geometry, const Array& dx, int64_t begin,
                   int64_t end) {
  const MaxPoolGrad p{g, index, dx, geometry};
  for (int64_t row = begin; row < end; ++row) {
    const int64_t n = row / dx.shape[2], h = row % dx.shape[2];
    switch (dx.dtype) {
      case DType::f32:
        grad_row<float>(p, n, h);
        break;
      case DType::f64:
        grad_row<double>(p, n, h);
        break;
      default:
        grad_row<bf16>(p, n, h);
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
