#include "kernels/layer_norm.h"

#include <cmath>
#include <vector>

#include "base/check.h"
#include "base/parallel.h"
#include "kernels/convert.h"
#include "kernels/dispatch.h"
#include "kernels/layer_norm_kernels.h"
#include "kernels/strided.h"

namespace ingot::kernels {
namespace {

void forward_plain(const double* x, const double* gamma, const double* beta, int64_t n, double eps, double* y,
                   double* mean, double* rstd) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < n; ++i) sum += x[i];
  *mean = sum / static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) squares += (x[i] - *mean) * (x[i] - *mean);
  *rstd = 1 / std::sqrt(squares / static_cast<double>(n) + eps);
  for (int64_t i = 0; i < n; ++i) {
    y[i] = (x[i] - *mean) * *rstd;
    if (gamma) y[i] *= gamma[i];
    if (beta) y[i] += beta[i];
  }
}

void backward_plain(const double* x, const double* g, const double* gamma, int64_t n, double mean, double rstd,
                    double* dx, double* dgamma, double* dbeta) {
  double sum_u = 0, sum_uh = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double h = (x[i] - mean) * rstd, u = gamma ? g[i] * gamma[i] : g[i];
    sum_u += u;
    sum_uh += u * h;
    if (dgamma) dgamma[i] += g[i] * h, dbeta[i] += g[i];
  }
  if (!dx) return;
  const auto count = static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) {
    const double h = (x[i] - mean) * rstd, u = gamma ? g[i] * gamma[i] : g[i];
    dx[i] = rstd * (u - sum_u / count - h * sum_uh / count);
  }
}

template <class T>
const LayerNormKernels<T>& kernels_of() {
  if constexpr (std::is_same_v<T, double>)
    return plain_layer_norm();
  else
    return simd_layer_norm();
}

/// The lines of an array along its last dimension, numbered in row-major order, as runs of T.
template <class T>
class Lines {
 public:
  explicit Lines(const Array& a)
      : a_(a),
        size_(a ? a.shape[a.rank - 1] : 0),
        stride_(a ? a.strides[a.rank - 1] : 0),
        type_(std::is_same_v<T, double> ? DType::f64 : DType::f32),
        direct_(a && a.dtype == type_ && (stride_ == 1 || size_ == 1)) {}

  /// The line itself, or a copy of it in `buffer`; null where the array is absent.
  const T* read(int64_t line, std::vector<T>& buffer) const {
    if (!a_) return nullptr;
    if (direct_) return static_cast<const T*>(at(line));
    buffer.resize(static_cast<size_t>(size_));
    converter(a_.dtype, type_)(at(line), stride_, buffer.data(), 1, size_);
    return buffer.data();
  }
  /// Where to write the line; commit() brings it home.
  T* target(int64_t line, std::vector<T>& buffer) const {
    if (!a_) return nullptr;
    if (direct_) return static_cast<T*>(at(line));
    buffer.resize(static_cast<size_t>(size_));
    return buffer.data();
  }
  void commit(int64_t line, const std::vector<T>& buffer) const {
    if (a_ && !direct_) converter(type_, a_.dtype)(buffer.data(), 1, at(line), stride_, size_);
  }

 private:
  void* at(int64_t line) const {
    int64_t offset = 0;
    for (int d = a_.rank - 2; d >= 0; --d) {
      offset += line % a_.shape[d] * a_.strides[d];
      line /= a_.shape[d];
    }
    return static_cast<char*>(a_.data) + offset * static_cast<int64_t>(size_of(a_.dtype));
  }

  Array a_;
  int64_t size_, stride_;
  DType type_;
  bool direct_;
};

template <class T>
void forward(const Array& x, const Array& gamma, const Array& beta, double eps, const Array& y, const Array& mean,
             const Array& rstd) {
  const int64_t n = x.shape[x.rank - 1];
  std::vector<T> gamma_buffer, beta_buffer;
  const T *weight = Lines<T>(gamma).read(0, gamma_buffer), *shift = Lines<T>(beta).read(0, beta_buffer);
  const Lines<T> in(x), out(y), means(mean), rstds(rstd);
  const auto& kernels = kernels_of<T>();
  parallel_for(x.numel() / n, std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
    std::vector<T> in_buffer, out_buffer, unused;
    for (int64_t line = begin; line < end; ++line) {
      T m, s;
      kernels.forward(in.read(line, in_buffer), weight, shift, n, eps, out.target(line, out_buffer), &m, &s);
      out.commit(line, out_buffer);
      if (mean) *means.target(line, unused) = m;
      if (rstd) *rstds.target(line, unused) = s;
    }
  });
}

// Lines are summed in T within a block of this many, blocks in f64, in order.
constexpr int64_t kBlock = 32;
constexpr int64_t kMostParts = 16;

template <class T>
void backward(const Array& x, const Array& g, const Array& gamma, const Array& mean, const Array& rstd, const Array& dx,
              const Array& dgamma, const Array& dbeta) {
  const int64_t n = x.shape[x.rank - 1], lines = x.numel() / n;
  const bool sums = dgamma || dbeta;
  const auto size = static_cast<size_t>(n);
  std::vector<T> gamma_buffer;
  const T* weight = Lines<T>(gamma).read(0, gamma_buffer);
  const Lines<T> in(x), grads(g), means(mean), rstds(rstd), out(dx);
  const auto& kernels = kernels_of<T>();
  // The split depends on the shape alone, so the order of the sums does too.
  const int64_t parts = std::clamp<int64_t>(lines / kBlock, 1, kMostParts);
  std::vector<double> totals(sums ? static_cast<size_t>(parts) * 2 * size : 0);
  parallel_for(parts, std::max<int64_t>(1, kGrain * parts / std::max<int64_t>(1, x.numel())),
               [&](int64_t first, int64_t last) {
                 std::vector<T> x_buffer, g_buffer, dx_buffer, unused, block(sums ? 2 * size : 0);
                 for (int64_t part = first; part < last; ++part) {
                   const int64_t begin = lines * part / parts, end = lines * (part + 1) / parts;
                   double* total = sums ? totals.data() + static_cast<size_t>(part) * 2 * size : nullptr;
                   for (int64_t line = begin; line < end; ++line) {
                     kernels.backward(in.read(line, x_buffer), grads.read(line, g_buffer), weight, n,
                                      *means.read(line, unused), *rstds.read(line, unused), out.target(line, dx_buffer),
                                      sums ? block.data() : nullptr, sums ? block.data() + size : nullptr);
                     out.commit(line, dx_buffer);
                     if (!sums || ((line + 1 - begin) % kBlock != 0 && line + 1 < end)) continue;
                     for (size_t i = 0; i < block.size(); ++i) total[i] += static_cast<double>(block[i]);
                     std::fill(block.begin(), block.end(), T(0));
                   }
                 }
               });
  const auto sum_up = [&](const Array& result, size_t offset) {
    if (!result) return;
    std::vector<T> sum(size);
    for (size_t i = 0; i < size; ++i) {
      double value = 0;
      for (size_t part = 0; part < static_cast<size_t>(parts); ++part) value += totals[part * 2 * size + offset + i];
      sum[i] = static_cast<T>(value);
    }
    std::vector<T> buffer;
    const Lines<T> line(result);
    std::copy(sum.begin(), sum.end(), line.target(0, buffer));
    line.commit(0, buffer);
  };
  sum_up(dgamma, 0);
  sum_up(dbeta, size);
}

void check_floating(const Array& x) {
  CHECK(is_floating(x.dtype) && x.dtype != DType::f16, "layer_norm does not take {}", name_of(x.dtype));
}

}  // namespace

const LayerNormKernels<double>& plain_layer_norm() {
  static constexpr LayerNormKernels<double> kTable{forward_plain, backward_plain};
  return kTable;
}

void layer_norm(const Array& x, const Array& gamma, const Array& beta, double eps, const Array& y, const Array& mean,
                const Array& rstd) {
  check_floating(x);
  if (x.numel() == 0) return;
  x.dtype == DType::f64 ? forward<double>(x, gamma, beta, eps, y, mean, rstd)
                        : forward<float>(x, gamma, beta, eps, y, mean, rstd);
}

void layer_norm_grad(const Array& x, const Array& g, const Array& gamma, const Array& mean, const Array& rstd,
                     const Array& dx, const Array& dgamma, const Array& dbeta) {
  check_floating(x);
  x.dtype == DType::f64 ? backward<double>(x, g, gamma, mean, rstd, dx, dgamma, dbeta)
                        : backward<float>(x, g, gamma, mean, rstd, dx, dgamma, dbeta);
}

}  // namespace ingot::kernels
