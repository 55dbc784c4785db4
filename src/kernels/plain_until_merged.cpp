#include <cmath>
#include <vector>

#include "base/check.h"
#include "base/philox.h"
#include "kernels/batch_norm.h"
#include "kernels/dispatch.h"
#include "kernels/dropout.h"
#include "kernels/index.h"
#include "kernels/reduce.h"
#include "kernels/softmax.h"

namespace ingot::kernels {
namespace {
using Index = std::array<int64_t, kMaxRank>;
double get(const Array& a, int64_t at) {
  return visit_dtype(a.dtype, [&](auto t) -> double { using T = typename decltype(t)::type; return double(a.as<T>()[at]); });
}
void put(const Array& a, int64_t at, double v) {
  visit_dtype(a.dtype, [&](auto t) { using T = typename decltype(t)::type; if constexpr (std::is_same_v<T, bf16> || std::is_same_v<T, f16>) a.as<T>()[at] = T(float(v)); else a.as<T>()[at] = T(v); });
}
template <class F> void each(const Array& x, F f) {
  Index i{};
  const int64_t n = x.numel();
  for (int64_t k = 0; k < n; ++k) {
    f(i, k);
    for (int d = x.rank - 1; d >= 0; --d) { if (++i[d] < x.shape[d]) break; i[d] = 0; }
  }
}
int64_t at(const Array& a, const Index& i) { int64_t o = 0; for (int d = 0; d < a.rank; ++d) o += (a.shape[d] == 1 ? 0 : i[d]) * a.strides[d]; return o; }
int64_t chan(const Array& a, const Index& i) { return i[1] * a.strides[0]; }
}
void reduce(Reduce op, const Array& x, const Array& y) {
  std::vector<double> acc(size_t(y.numel()), op == Reduce::prod ? 1 : op == Reduce::max ? -INFINITY : op == Reduce::min ? INFINITY : 0);
  Array dense = y;
  int64_t s = 1;
  for (int d = y.rank - 1; d >= 0; --d) { dense.strides[d] = s; s *= y.shape[d]; }
  each(x, [&](const Index& i, int64_t) { double& v = acc[size_t(at(dense, i))]; const double e = get(x, at(x, i));
    v = op == Reduce::prod ? v * e : op == Reduce::max ? (e > v || std::isnan(e) ? e : v) : op == Reduce::min ? (e < v || std::isnan(e) ? e : v) : v + e; });
  each(y, [&](const Index& i, int64_t k) { put(y, at(y, i), op == Reduce::mean ? acc[size_t(k)] / (double(x.numel()) / double(y.numel())) : acc[size_t(k)]); });
}
void argmax(const Array& x, int dim, const Array& y) {
  each(y, [&](Index i, int64_t) { int64_t best = 0; double m = 0; for (int64_t k = 0; k < x.shape[dim]; ++k) { i[dim] = k; double v = get(x, at(x, i)); if (k == 0 || v > m) { m = v; best = k; } } i[dim] = 0; y.as<int64_t>()[at(y, i)] = best; });
}
void softmax(const Array& x, int dim, const Array& y) { log_softmax(x, dim, y); each(y, [&](const Index& i, int64_t) { put(y, at(y, i), std::exp(get(y, at(y, i)))); }); }
void log_softmax(const Array& x, int dim, const Array& y) {
  each(x, [&](Index i, int64_t) { if (i[dim]) return; double m = -INFINITY, t = 0; for (int64_t k = 0; k < x.shape[dim]; ++k) { i[dim] = k; m = std::max(m, get(x, at(x, i))); }
    for (int64_t k = 0; k < x.shape[dim]; ++k) { i[dim] = k; t += std::exp(get(x, at(x, i)) - m); }
    for (int64_t k = 0; k < x.shape[dim]; ++k) { i[dim] = k; put(y, at(y, i), get(x, at(x, i)) - m - std::log(t)); } });
}
void softmax_grad(const Array& y, const Array& g, int dim, const Array& dx) {
  each(y, [&](Index i, int64_t) { if (i[dim]) return; double t = 0; for (int64_t k = 0; k < y.shape[dim]; ++k) { i[dim] = k; t += get(y, at(y, i)) * get(g, at(g, i)); }
    for (int64_t k = 0; k < y.shape[dim]; ++k) { i[dim] = k; put(dx, at(dx, i), get(y, at(y, i)) * (get(g, at(g, i)) - t)); } });
}
void log_softmax_grad(const Array& y, const Array& g, int dim, const Array& dx) {
  each(y, [&](Index i, int64_t) { if (i[dim]) return; double t = 0; for (int64_t k = 0; k < y.shape[dim]; ++k) { i[dim] = k; t += get(g, at(g, i)); }
    for (int64_t k = 0; k < y.shape[dim]; ++k) { i[dim] = k; put(dx, at(dx, i), get(g, at(g, i)) - std::exp(get(y, at(y, i))) * t); } });
}
void gather(const Array& x, const Array& index, int dim, const Array& y) {
  each(y, [&](Index i, int64_t) { const int64_t o = at(y, i), k = index.as<int64_t>()[at(index, i)]; CHECK(k >= 0 && k < x.shape[dim], "index {} is outside [0, {})", k, x.shape[dim]); i[dim] = k; put(y, o, get(x, at(x, i))); });
}
void scatter_add(const Array& g, const Array& index, int dim, const Array& dx) {
  each(g, [&](Index i, int64_t) { const double v = get(g, at(g, i)); const int64_t k = index.as<int64_t>()[at(index, i)]; CHECK(k >= 0 && k < dx.shape[dim], "index {} is outside [0, {})", k, dx.shape[dim]); i[dim] = k; const int64_t o = at(dx, i); put(dx, o, get(dx, o) + v); });
}
void dropout(const Array& x, float p, RandomKey key, uint64_t counter, const Array& y) {
  const int64_t per = x.rank && x.shape[0] ? x.numel() / x.shape[0] : 1;
  each(x, [&](const Index& i, int64_t k) { const int64_t n = x.rank ? i[0] : 0, e = k - n * per; const auto w = philox(key, uint64_t(e / 4), counter + uint64_t(n)); put(y, at(y, i), uniform_f32(w[size_t(e % 4)]) >= p ? get(x, at(x, i)) / (1 - double(p)) : 0); });
}
void batch_norm_stats(const Array& x, const Array& mean, const Array& var) {
  const int64_t c = x.shape[1]; const double n = double(x.numel()) / double(c); std::vector<double> m(static_cast<size_t>(c)), v(static_cast<size_t>(c));
  each(x, [&](const Index& i, int64_t) { m[size_t(i[1])] += get(x, at(x, i)) / n; });
  each(x, [&](const Index& i, int64_t) { const double d = get(x, at(x, i)) - m[size_t(i[1])]; v[size_t(i[1])] += d * d / n; });
  for (int64_t k = 0; k < c; ++k) { put(mean, k * mean.strides[0], m[size_t(k)]); put(var, k * var.strides[0], v[size_t(k)]); }
}
void batch_norm_apply(const Array& x, const Array& mean, const Array& invstd, const Array& gamma, const Array& beta, const Array& residual, bool relu, const Array& y) {
  each(x, [&](const Index& i, int64_t) { double v = (get(x, at(x, i)) - get(mean, chan(mean, i))) * get(invstd, chan(invstd, i)); if (gamma) v *= get(gamma, chan(gamma, i)); if (beta) v += get(beta, chan(beta, i)); if (residual) v += get(residual, at(residual, i)); put(y, at(y, i), relu && v < 0 ? 0 : v); });
}
void batch_norm_grad(const Array& x, const Array& y, const Array& g, const Array& mean, const Array& invstd, const Array& gamma, const Array& dx, const Array& dgamma, const Array& dbeta, const Array& dresidual) {
  const int64_t c = x.shape[1]; const double n = double(x.numel()) / double(c); std::vector<double> sg(static_cast<size_t>(c)), sx(static_cast<size_t>(c));
  const auto grad = [&](const Index& i) { return y && !(get(y, at(y, i)) > 0) ? 0 : get(g, at(g, i)); };
  const auto xhat = [&](const Index& i) { return (get(x, at(x, i)) - get(mean, chan(mean, i))) * get(invstd, chan(invstd, i)); };
  each(x, [&](const Index& i, int64_t) { sg[size_t(i[1])] += grad(i); sx[size_t(i[1])] += grad(i) * xhat(i); });
  each(x, [&](const Index& i, int64_t) { const double s = get(invstd, chan(invstd, i)) * (gamma ? get(gamma, chan(gamma, i)) : 1); const double gi = grad(i);
    if (dx) put(dx, at(dx, i), s * (gi - sg[size_t(i[1])] / n - xhat(i) * sx[size_t(i[1])] / n)); if (dresidual) put(dresidual, at(dresidual, i), gi); });
  for (int64_t k = 0; k < c; ++k) { if (dgamma) put(dgamma, k * dgamma.strides[0], sx[size_t(k)]); if (dbeta) put(dbeta, k * dbeta.strides[0], sg[size_t(k)]); }
}
}  // namespace ingot::kernels
