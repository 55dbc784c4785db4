#include <cmath>

#include "kernels/dispatch.h"
#include "kernels/pool.h"

namespace ingot::kernels {
namespace {
using Index = std::array<int64_t, kMaxRank>;
double get(const Array& a, int64_t at) {
  return visit_dtype(a.dtype, [&](auto t) -> double {
    using T = typename decltype(t)::type;
    return double(a.as<T>()[at]);
  });
}
void put(const Array& a, int64_t at, double v) {
  visit_dtype(a.dtype, [&](auto t) {
    using T = typename decltype(t)::type;
    if constexpr (std::is_same_v<T, bf16> || std::is_same_v<T, f16>)
      a.as<T>()[at] = T(float(v));
    else
      a.as<T>()[at] = T(v);
  });
}
template <class F>
void each(const Array& x, F f) {
  Index i{};
  const int64_t n = x.numel();
  for (int64_t k = 0; k < n; ++k) {
    f(i, k);
    for (int d = x.rank - 1; d >= 0; --d) {
      if (++i[d] < x.shape[d]) break;
      i[d] = 0;
    }
  }
}
int64_t at(const Array& a, const Index& i) {
  int64_t o = 0;
  for (int d = 0; d < a.rank; ++d) o += (a.shape[d] == 1 ? 0 : i[d]) * a.strides[d];
  return o;
}
}  // namespace
void max_pool2d(const Array& x, const PoolGeometry& p, const Array& y, const Array& index) {
  each(y, [&](const Index& i, int64_t) {
    double m = -INFINITY;
    int64_t b = 0;
    for (int64_t u = 0; u < p.kernel.h; ++u)
      for (int64_t v = 0; v < p.kernel.w; ++v) {
        const int64_t h = i[2] * p.stride.h + u * p.dilation.h - p.padding.top,
                      w = i[3] * p.stride.w + v * p.dilation.w - p.padding.left;
        if (h < 0 || h >= x.shape[2] || w < 0 || w >= x.shape[3]) continue;
        const double e = get(x, at(x, {i[0], i[1], h, w}));
        if (e > m) {
          m = e;
          b = h * x.shape[3] + w;
        }
      }
    put(y, at(y, i), m);
    if (index) put(index, at(index, i), double(b));
  });
}
void max_pool2d_grad(const Array& g, const Array& index, const Array& dx) {
  each(g, [&](const Index& i, int64_t) {
    const auto k = int64_t(get(index, at(index, i)));
    const int64_t o = at(dx, {i[0], i[1], k / dx.shape[3], k % dx.shape[3]});
    put(dx, o, get(dx, o) + get(g, at(g, i)));
  });
}
namespace {
template <class F>
void windows(const Array& x, const AvgPoolGeometry& p, const Array& y, F f) {
  each(y, [&](const Index& i, int64_t) {
    const int64_t h0 = i[2] * p.stride.h - p.padding.top, w0 = i[3] * p.stride.w - p.padding.left;
    const int64_t h1 = std::min(h0 + p.kernel.h, x.shape[2] + p.padding.bottom),
                  w1 = std::min(w0 + p.kernel.w, x.shape[3] + p.padding.right);
    const int64_t a = std::max<int64_t>(h0, 0), b = std::min(h1, x.shape[2]), c = std::max<int64_t>(w0, 0),
                  d = std::min(w1, x.shape[3]);
    f(i, a, b, c, d, p.count_include_pad ? double((h1 - h0) * (w1 - w0)) : double((b - a) * (d - c)));
  });
}
template <class F>
void bins(const Array& x, const Array& y, F f) {
  each(y, [&](const Index& i, int64_t) {
    const int64_t a = i[2] * x.shape[2] / y.shape[2], b = ((i[2] + 1) * x.shape[2] + y.shape[2] - 1) / y.shape[2],
                  c = i[3] * x.shape[3] / y.shape[3], d = ((i[3] + 1) * x.shape[3] + y.shape[3] - 1) / y.shape[3];
    f(i, a, b, c, d, double((b - a) * (d - c)));
  });
}
auto gather_mean(const Array& x, const Array& y) {
  return [&](const Index& i, int64_t a, int64_t b, int64_t c, int64_t d, double n) {
    double t = 0;
    for (int64_t h = a; h < b; ++h)
      for (int64_t w = c; w < d; ++w) t += get(x, at(x, {i[0], i[1], h, w}));
    put(y, at(y, i), t / n);
  };
}
auto spread_mean(const Array& g, const Array& dx) {
  return [&](const Index& i, int64_t a, int64_t b, int64_t c, int64_t d, double n) {
    for (int64_t h = a; h < b; ++h)
      for (int64_t w = c; w < d; ++w) {
        const int64_t o = at(dx, {i[0], i[1], h, w});
        put(dx, o, get(dx, o) + get(g, at(g, i)) / n);
      }
  };
}
void zero(const Array& x) {
  each(x, [&](const Index& i, int64_t) { put(x, at(x, i), 0); });
}
}  // namespace
void avg_pool2d(const Array& x, const AvgPoolGeometry& p, const Array& y) { windows(x, p, y, gather_mean(x, y)); }
void avg_pool2d_grad(const Array& g, const AvgPoolGeometry& p, const Array& dx) {
  zero(dx);
  windows(dx, p, g, spread_mean(g, dx));
}
void adaptive_avg_pool2d(const Array& x, const Array& y) { bins(x, y, gather_mean(x, y)); }
void adaptive_avg_pool2d_grad(const Array& g, const Array& dx) {
  zero(dx);
  bins(dx, g, spread_mean(g, dx));
}
}  // namespace ingot::kernels
