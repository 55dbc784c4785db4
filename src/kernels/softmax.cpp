#include "kernels/softmax.h"

#include <cmath>
#include <vector>

#include "kernels/convert.h"
#include "kernels/dispatch.h"
#include "kernels/softmax_kernels.h"
#include "kernels/strided.h"

namespace ingot::kernels {
namespace {

double max_of(const double* x, int64_t n) {
  double max = x[0];
  for (int64_t i = 1; i < n; ++i) max = x[i] > max || x[i] != x[i] ? x[i] : max;
  return max;
}

void softmax_line(const void* const* in, void* out, int64_t n) {
  const auto* x = static_cast<const double*>(in[0]);
  auto* y = static_cast<double*>(out);
  const double max = max_of(x, n);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += y[i] = std::exp(x[i] - max);
  for (int64_t i = 0; i < n; ++i) y[i] /= sum;
}

void log_softmax_line(const void* const* in, void* out, int64_t n) {
  const auto* x = static_cast<const double*>(in[0]);
  auto* y = static_cast<double*>(out);
  const double max = max_of(x, n);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += std::exp(x[i] - max);
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] - max - std::log(sum);
}

void softmax_grad_line(const void* const* in, void* out, int64_t n) {
  const auto *y = static_cast<const double*>(in[0]), *g = static_cast<const double*>(in[1]);
  double dot = 0;
  for (int64_t i = 0; i < n; ++i) dot += g[i] * y[i];
  for (int64_t i = 0; i < n; ++i) static_cast<double*>(out)[i] = y[i] * (g[i] - dot);
}

void log_softmax_grad_line(const void* const* in, void* out, int64_t n) {
  const auto *y = static_cast<const double*>(in[0]), *g = static_cast<const double*>(in[1]);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += g[i];
  for (int64_t i = 0; i < n; ++i) static_cast<double*>(out)[i] = g[i] - std::exp(y[i]) * sum;
}

const SoftmaxKernels& kernels_for(DType dtype) { return dtype == DType::f64 ? plain_softmax() : simd_softmax(); }

/// Runs a kernel on every line along `dim`; lines that are strided or bf16 pass through a buffer. The output is last.
template <int N>
void for_lines(const std::array<const Array*, N>& arrays, int dim, LineKernel kernel) {
  const DType dtype = arrays[0]->dtype, type = compute_dtype(dtype);
  const int64_t n = arrays[0]->shape[dim];
  const auto bytes = n * static_cast<int64_t>(size_of(type));
  bool direct = dtype == type;
  for (const Array* a : arrays) direct &= a->strides[dim] == 1 || n == 1;
  const Converter load = converter(dtype, type), store = converter(type, dtype);
  const StridedLoops<N> lines(arrays, LoopOrder::memory, ~(1u << dim));
  if (n == 0) return;

  const auto run_staged = [&](const Block<N>& block, int64_t r, int64_t i, char* buffer) {
    const void* in[N];
    for (int k = 0; k < N - 1; ++k) {
      in[k] = buffer + k * bytes;
      load(block.row(k, r) + i * block.stride[k] * block.element[k], arrays[k]->strides[dim], buffer + k * bytes, 1, n);
    }
    char* result = buffer + (N - 1) * bytes;
    kernel(in, result, n);
    store(result, 1, block.row(N - 1, r) + i * block.stride[N - 1] * block.element[N - 1], arrays[N - 1]->strides[dim],
          n);
  };
  const auto run_direct = [&](const Block<N>& block, int64_t r, int64_t i) {
    const void* in[N];
    for (int k = 0; k < N; ++k) in[k] = block.row(k, r) + i * block.stride[k] * block.element[k];
    kernel(in, const_cast<void*>(in[N - 1]), n);
  };
  constexpr int64_t kCostly = 4;  // an exponential is several memory accesses' worth
  parallel_for(lines.numel(), std::max<int64_t>(1, kGrain / kCostly / n), [&](int64_t begin, int64_t end) {
    std::vector<double> buffer(direct ? 0 : static_cast<size_t>(N * bytes) / sizeof(double) + 1);
    lines.walk(begin, end, [&](const Block<N>& block) {
      for (int64_t r = 0; r < block.rows; ++r)
        for (int64_t i = 0; i < block.count; ++i)
          direct ? run_direct(block, r, i) : run_staged(block, r, i, reinterpret_cast<char*>(buffer.data()));
    });
  });
}

void check_floating(const Array& x) {
  CHECK(is_floating(x.dtype) && x.dtype != DType::f16, "softmax does not take {}", name_of(x.dtype));
}

}  // namespace

const SoftmaxKernels& plain_softmax() {
  static constexpr SoftmaxKernels kTable{softmax_line, log_softmax_line, softmax_grad_line, log_softmax_grad_line};
  return kTable;
}

void softmax(const Array& x, int dim, const Array& y) {
  check_floating(x);
  for_lines<2>({&x, &y}, dim, kernels_for(x.dtype).softmax);
}

void log_softmax(const Array& x, int dim, const Array& y) {
  check_floating(x);
  for_lines<2>({&x, &y}, dim, kernels_for(x.dtype).log_softmax);
}

void softmax_grad(const Array& y, const Array& g, int dim, const Array& dx) {
  check_floating(y);
  for_lines<3>({&y, &g, &dx}, dim, kernels_for(y.dtype).softmax_grad);
}

void log_softmax_grad(const Array& y, const Array& g, int dim, const Array& dx) {
  check_floating(y);
  for_lines<3>({&y, &g, &dx}, dim, kernels_for(y.dtype).log_softmax_grad);
}

}  // namespace ingot::kernels
