#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/parallel.h"
#include "base/visit_dtype.h"
#include "ingot/autograd.h"
#include "ingot/ops.h"
#include "ingot/optim.h"
#include "kernels/elementwise.h"
#include "ops/rules.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

constexpr int64_t kChunk = 65536;

/// combine(partial, |g|) over the elements of fixed chunks, in f64: the result does not depend on the thread count, and
/// that of millions of elements is as exact as that of few.
template <class Combine>
std::vector<double> over_chunks(const Tensor& grad, const Combine& combine) {
  const Tensor dense = grad.is_dense() ? grad : contiguous(grad);
  const int64_t count = dense.numel();
  std::vector<double> partial(static_cast<size_t>((count + kChunk - 1) / kChunk), 0.0);
  visit_dtype(dense.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto* values = dense.data<T>();
    parallel_for(static_cast<int64_t>(partial.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        double& total = partial[static_cast<size_t>(chunk)];
        for (int64_t i = chunk * kChunk; i < std::min(count, (chunk + 1) * kChunk); ++i)
          total = combine(total, std::abs(static_cast<double>(values[i])));
      }
    });
  });
  return partial;
}

double power_sum(const Tensor& grad, double p) {
  const auto partial = p == 2 ? over_chunks(grad, [](double sum, double g) { return sum + g * g; })
                              : over_chunks(grad, [&](double sum, double g) { return sum + std::pow(g, p); });
  double sum = 0;
  for (const double s : partial) sum += s;
  return sum;
}

double larger(double a, double b) { return std::isnan(a) || a > b ? a : b; }  // NaN wins

double norm_of(const Tensors& grads, double p) {
  double total = 0;
  for (const Tensor& g : grads) {
    if (!std::isinf(p)) {
      total += power_sum(g, p);
      continue;
    }
    for (const double most : over_chunks(g, larger)) total = larger(total, most);
  }
  return std::isinf(p) ? total : std::pow(total, 1 / p);
}

Tensors gradients(const Tensors& params) {
  Tensors grads;
  for (const Tensor& p : params)
    if (p.grad().defined()) grads.push_back(p.grad());
  return grads;
}

void scale(Tensor& x, double factor) {
  const Array y = array_of(x);
  const Tensor by = scalar(factor, x.dtype());
  kernels::binary(kernels::Binary::mul, y, broadcast_to(array_of(by), y), y);
  x.count_write();
}

}  // namespace

double clip_grad_norm(const Tensors& params, double max_norm, const ClipOptions& options) {
  CHECK(max_norm >= 0, "max_norm is {}, it must not be negative", max_norm);
  CHECK(options.norm_type > 0, "norm_type is {}, it must be positive", options.norm_type);
  const NoGrad no_grad;
  Tensors grads = gradients(params);
  const double norm = norm_of(grads, options.norm_type);
  CHECK(!options.error_if_nonfinite || std::isfinite(norm), "the norm of the gradients is {}", norm);
  constexpr double kAgainstZero = 1e-6;
  const double factor = max_norm / (norm + kAgainstZero);
  if (factor >= 1) return norm;
  for (Tensor& g : grads) scale(g, factor);
  return norm;
}

void clip_grad_value(const Tensors& params, double value) {
  CHECK(value >= 0, "the bound of the gradients is {}, it must not be negative", value);
  const NoGrad no_grad;
  for (Tensor& g : gradients(params)) copy_into(g, clamp(g, -value, value));
}

}  // namespace ingot
