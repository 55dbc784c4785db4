#include "kernels/batch_norm.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "kernels/batch_norm_kernels.h"
#include "kernels/convert.h"
#include "kernels/dispatch.h"
#include "kernels/reduce_kernels.h"

namespace ingot::kernels {
namespace {

constexpr int kChannel = 1;
constexpr unsigned kOthers = ~(1u << kChannel);

// An array of shape [C] as contiguous numbers; `otherwise` where it is absent.
template <class P>
std::vector<P> channel_values(const Array& a, int64_t count, double otherwise = 0) {
  std::vector<P> values(static_cast<size_t>(count), static_cast<P>(otherwise));
  if (a && count > 0) converter(a.dtype, dtype_of<P>)(a.data, a.strides[0], values.data(), 1, count);
  return values;
}

template <class P>
void store_channels(const std::vector<P>& values, const Array& a) {
  const auto count = static_cast<int64_t>(values.size());
  if (a && count > 0) converter(dtype_of<P>, a.dtype)(values.data(), 1, a.data, a.strides[0], count);
}

template <class T>
const BatchNormKernels<T>& kernels_for(std::initializer_list<const Array*> arrays) {
  bool contiguous = true;
  for (const Array* a : arrays) contiguous &= !*a || a->strides[kChannel] == 1 || a->shape[kChannel] == 1;
  if constexpr (!std::is_same_v<T, double>)
    if (contiguous) return simd_batch_norm<T>();
  return plain_batch_norm<T>();
}

template <int N>
std::array<int64_t, 5> channel_strides(const std::array<const Array*, N>& arrays) {
  std::array<int64_t, 5> strides{};
  for (int i = 0; i < N; ++i) strides[i] = arrays[i]->strides[kChannel];
  return strides;
}

/// Two sums a channel over all places; add(block, row, first, second) adds one row of a block.
template <int N, class Add>
std::vector<double> two_sums(const StridedLoops<N>& places, int64_t channels, const Add& add) {
  const int64_t segments = reduction_segments(places.numel() * channels, places.numel());
  std::vector<double> partial(static_cast<size_t>(segments * 2 * channels));
  parallel_parts(segments, [&](int64_t s) {
    double* first = partial.data() + s * 2 * channels;
    const int64_t begin = places.numel() * s / segments, end = places.numel() * (s + 1) / segments;
    places.walk(begin, end, [&](const Block<N>& block) {
      for (int64_t r = 0; r < block.rows; ++r) add(block, r, first, first + channels);
    });
  });
  for (int64_t s = 1; s < segments; ++s)
    std::transform(partial.begin(), partial.begin() + 2 * channels, partial.begin() + s * 2 * channels, partial.begin(),
                   std::plus<>());
  partial.resize(static_cast<size_t>(2 * channels));
  return partial;
}

int64_t places_grain(int64_t channels) { return std::max<int64_t>(1, kGrain / std::max<int64_t>(channels, 1)); }

template <class T>
void stats(const Array& x, const Array& mean, const Array& variance) {
  using P = typename BatchNormKernels<T>::P;
  const int64_t count = x.shape[kChannel];
  const StridedLoops<1> places({&x}, LoopOrder::memory, kOthers);
  std::vector<P> shift(static_cast<size_t>(count));
  if (places.numel() > 0 && count > 0)
    converter(x.dtype, dtype_of<P>)(x.data, x.strides[kChannel], shift.data(), 1, count);
  const Channels<P> channels{.count = count, .stride = channel_strides<1>({&x}), .mean = shift.data()};
  const auto kernel = kernels_for<T>({&x}).stats;
  const auto sums = two_sums(places, count, [&](const Block<1>& block, int64_t r, double* sum, double* square) {
    kernel(block, r, channels, sum, square);
  });
  const auto n = static_cast<double>(places.numel());
  std::vector<double> means(static_cast<size_t>(count)), variances(static_cast<size_t>(count));
  for (size_t c = 0; c < means.size(); ++c) {
    const double offset = sums[c] / n, square = sums[means.size() + c] / n;
    means[c] = double(shift[c]) + offset;
    const double spread = square - offset * offset;
    variances[c] = spread < 0 ? 0 : spread;
  }
  store_channels(means, mean);
  store_channels(variances, variance);
}

template <class T>
void apply(const Array& x, const Array& mean, const Array& invstd, const Array& gamma, const Array& beta,
           const Array& residual, bool relu, const Array& y) {
  using P = typename BatchNormKernels<T>::P;
  const int64_t count = x.shape[kChannel];
  const auto means = channel_values<P>(mean, count), betas = channel_values<P>(beta, count);
  const auto gammas = channel_values<P>(gamma, count, 1);
  auto scale = channel_values<P>(invstd, count);
  for (size_t c = 0; c < scale.size(); ++c) scale[c] *= gammas[c];
  const std::array<const Array*, 3> arrays{&x, residual ? &residual : &x, &y};
  const Channels<P> channels{.count = count,
                             .stride = channel_strides<3>(arrays),
                             .mean = means.data(),
                             .scale = scale.data(),
                             .beta = betas.data()};
  const auto kernel = kernels_for<T>({&x, &residual, &y}).apply;
  const StridedLoops<3> places(arrays, LoopOrder::memory, kOthers);
  const bool has_residual = static_cast<bool>(residual);
  parallel_for(places.numel(), places_grain(count), [&](int64_t begin, int64_t end) {
    places.walk(begin, end, [&](const Block<3>& block) {
      for (int64_t r = 0; r < block.rows; ++r) kernel(block, r, channels, has_residual, relu);
    });
  });
}

template <class T>
void grad_sums(const Array& x, const Array& y, const Array& g, const Array& mean, const Array& invstd,
               const Array& dgamma, const Array& dbeta) {
  using P = typename BatchNormKernels<T>::P;
  const int64_t count = x.shape[kChannel];
  const auto means = channel_values<P>(mean, count), invstds = channel_values<P>(invstd, count);
  const std::array<const Array*, 3> arrays{&x, y ? &y : &x, &g};
  const Channels<P> channels{.count = count, .stride = channel_strides<3>(arrays), .mean = means.data()};
  const auto kernel = kernels_for<T>({&x, &y, &g}).grad_sums;
  const StridedLoops<3> places(arrays, LoopOrder::memory, kOthers);
  const bool masked = static_cast<bool>(y);
  auto sums = two_sums(places, count, [&](const Block<3>& block, int64_t r, double* sum, double* product) {
    kernel(block, r, channels, masked, sum, product);
  });
  std::vector<double> products(sums.begin() + count, sums.end());
  sums.resize(static_cast<size_t>(count));
  for (size_t c = 0; c < products.size(); ++c) products[c] *= double(invstds[c]);
  store_channels(sums, dbeta);
  store_channels(products, dgamma);
}

template <class T>
void grad_input(const Array& x, const Array& y, const Array& g, const Array& mean, const Array& invstd,
                const Array& gamma, const Array& dgamma, const Array& dbeta, double count, const Array& dx,
                const Array& dresidual) {
  using P = typename BatchNormKernels<T>::P;
  const int64_t channel_count = x.shape[kChannel];
  const auto means = channel_values<P>(mean, channel_count), invstds = channel_values<P>(invstd, channel_count);
  auto scale = channel_values<P>(gamma, channel_count, 1);
  auto mean_grad = channel_values<P>(dbeta, channel_count), projection = channel_values<P>(dgamma, channel_count);
  for (size_t c = 0; c < scale.size(); ++c) {
    scale[c] *= invstds[c];
    mean_grad[c] = static_cast<P>(double(mean_grad[c]) / count);
    projection[c] = static_cast<P>(double(projection[c]) * double(invstds[c]) / count);
  }
  const std::array<const Array*, 5> arrays{&x, y ? &y : &x, &g, dresidual ? &dresidual : &dx, &dx};
  const Channels<P> channels{.count = channel_count,
                             .stride = channel_strides<5>(arrays),
                             .mean = means.data(),
                             .scale = scale.data(),
                             .beta = nullptr,
                             .mean_grad = dgamma ? mean_grad.data() : nullptr,
                             .projection = projection.data()};
  const auto kernel = kernels_for<T>({&x, &y, &g, &dresidual, &dx}).grad_input;
  const StridedLoops<5> places(arrays, LoopOrder::memory, kOthers);
  const bool masked = static_cast<bool>(y), residual = static_cast<bool>(dresidual);
  parallel_for(places.numel(), places_grain(channel_count), [&](int64_t begin, int64_t end) {
    places.walk(begin, end, [&](const Block<5>& block) {
      for (int64_t r = 0; r < block.rows; ++r) kernel(block, r, channels, masked, residual);
    });
  });
}

}  // namespace

void batch_norm_stats(const Array& x, const Array& mean, const Array& variance) {
  visit_floating(x.dtype, [&]<class T>(std::type_identity<T>) { stats<T>(x, mean, variance); });
}

void batch_norm_apply(const Array& x, const Array& mean, const Array& invstd, const Array& gamma, const Array& beta,
                      const Array& residual, bool relu, const Array& y) {
  visit_floating(x.dtype,
                 [&]<class T>(std::type_identity<T>) { apply<T>(x, mean, invstd, gamma, beta, residual, relu, y); });
}

void batch_norm_grad_sums(const Array& x, const Array& y, const Array& g, const Array& mean, const Array& invstd,
                          const Array& dgamma, const Array& dbeta) {
  visit_floating(x.dtype, [&]<class T>(std::type_identity<T>) { grad_sums<T>(x, y, g, mean, invstd, dgamma, dbeta); });
}

void batch_norm_grad_input(const Array& x, const Array& y, const Array& g, const Array& mean, const Array& invstd,
                           const Array& gamma, const Array& dgamma, const Array& dbeta, double count, const Array& dx,
                           const Array& dresidual) {
  visit_floating(x.dtype, [&]<class T>(std::type_identity<T>) {
    grad_input<T>(x, y, g, mean, invstd, gamma, dgamma, dbeta, count, dx, dresidual);
  });
}

void batch_norm_grad(const Array& x, const Array& y, const Array& g, const Array& mean, const Array& invstd,
                     const Array& gamma, const Array& dx, const Array& dgamma, const Array& dbeta,
                     const Array& dresidual) {
  batch_norm_grad_sums(x, y, g, mean, invstd, dgamma, dbeta);
  if (!dx) return;
  const int64_t channels = std::max<int64_t>(1, x.shape[kChannel]);
  batch_norm_grad_input(x, y, g, mean, invstd, gamma, dgamma, dbeta, double(x.numel() / channels), dx, dresidual);
}

}  // namespace ingot::kernels
