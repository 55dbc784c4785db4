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
  constexpr int64_t kFewest = 64;  // places of a segment: else its sums are as much to read and write as its places
  const int64_t segments = reduction_segments(places.numel() * channels, places.numel() / kFewest);
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

/// The second pass over an array, of pieces from the last to the first: what the sums have just read is still in cache.
template <int N, class Body>
void walk_backwards(const StridedLoops<N>& places, int64_t channels, const Body& body) {
  const int64_t piece = std::max<int64_t>(1, kGrain / std::max<int64_t>(channels, 1));
  const int64_t pieces = places.numel() / piece;  // the last takes what is left
  if (pieces <= 1) return places.walk(0, places.numel(), body);
  parallel_parts(pieces, [&](int64_t part) {
    const int64_t i = pieces - 1 - part;
    places.walk(i * piece, i + 1 == pieces ? places.numel() : (i + 1) * piece, body);
  });
}

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

/// What the kernels need of x's channels; the numbers belong to the object.
template <class P>
struct Affine {
  std::vector<P> means, scale, betas;  // scale = gamma * invstd

  Affine(int64_t count, const Array& mean, const Array& invstd, const Array& gamma, const Array& beta)
      : means(channel_values<P>(mean, count)),
        scale(channel_values<P>(invstd, count)),
        betas(channel_values<P>(beta, count)) {
    const auto gammas = channel_values<P>(gamma, count, 1);
    for (size_t c = 0; c < scale.size(); ++c) scale[c] *= gammas[c];
  }
  Channels<P> channels(std::array<int64_t, 5> strides) const {
    return {.count = static_cast<int64_t>(means.size()),
            .stride = strides,
            .mean = means.data(),
            .scale = scale.data(),
            .beta = betas.data()};
  }
};

Mask kind_of(const ReluMask& mask) { return !mask.relu ? Mask::none : mask.y ? Mask::of_y : Mask::of_x; }

template <class T>
void apply(const Array& x, const Array& mean, const Array& invstd, const Array& gamma, const Array& beta,
           const Array& residual, bool relu, const Array& y) {
  using P = typename BatchNormKernels<T>::P;
  const int64_t count = x.shape[kChannel];
  const Affine<P> affine(count, mean, invstd, gamma, beta);
  const std::array<const Array*, 3> arrays{&x, residual ? &residual : &x, &y};
  const Channels<P> channels = affine.channels(channel_strides<3>(arrays));
  const auto kernel = kernels_for<T>({&x, &residual, &y}).apply;
  const StridedLoops<3> places(arrays, LoopOrder::memory, kOthers);
  const bool has_residual = static_cast<bool>(residual);
  walk_backwards(places, count, [&](const Block<3>& block) {
    for (int64_t r = 0; r < block.rows; ++r) kernel(block, r, channels, has_residual, relu);
  });
}

template <class T>
void grad_sums(const Array& x, const ReluMask& relu, const Array& g, const Array& mean, const Array& invstd,
               const Array& gamma, const Array& dgamma, const Array& dbeta) {
  using P = typename BatchNormKernels<T>::P;
  const int64_t count = x.shape[kChannel];
  const Affine<P> affine(count, mean, invstd, gamma, relu.beta);
  const std::array<const Array*, 3> arrays{&x, relu.y ? &relu.y : &x, &g};
  const Channels<P> channels = affine.channels(channel_strides<3>(arrays));
  const auto kernel = kernels_for<T>({&x, &relu.y, &g}).grad_sums;
  const StridedLoops<3> places(arrays, LoopOrder::memory, kOthers);
  const Mask mask = kind_of(relu);
  auto sums = two_sums(places, count, [&](const Block<3>& block, int64_t r, double* sum, double* product) {
    kernel(block, r, channels, mask, sum, product);
  });
  const auto invstds = channel_values<P>(invstd, count);
  std::vector<double> products(sums.begin() + count, sums.end());
  sums.resize(static_cast<size_t>(count));
  if (places.numel() > 0)  // of nothing the statistics are NaN, and the sums 0
    for (size_t c = 0; c < products.size(); ++c) products[c] *= double(invstds[c]);
  store_channels(sums, dbeta);
  store_channels(products, dgamma);
}

template <class T>
void grad_input(const Array& x, const ReluMask& relu, const Array& g, const Array& mean, const Array& invstd,
                const Array& gamma, const Array& dgamma, const Array& dbeta, double count, const Array& dx,
                const Array& dresidual) {
  using P = typename BatchNormKernels<T>::P;
  const int64_t channel_count = x.shape[kChannel];
  const Affine<P> affine(channel_count, mean, invstd, gamma, relu.beta);
  const auto invstds = channel_values<P>(invstd, channel_count);
  auto mean_grad = channel_values<P>(dbeta, channel_count), projection = channel_values<P>(dgamma, channel_count);
  for (size_t c = 0; c < invstds.size(); ++c) {
    mean_grad[c] = static_cast<P>(double(mean_grad[c]) / count);
    projection[c] = static_cast<P>(double(projection[c]) * double(invstds[c]) / count);
  }
  const std::array<const Array*, 5> arrays{&x, relu.y ? &relu.y : &x, &g, dresidual ? &dresidual : &dx, &dx};
  Channels<P> channels = affine.channels(channel_strides<5>(arrays));
  channels.mean_grad = dgamma ? mean_grad.data() : nullptr;
  channels.projection = projection.data();
  const auto kernel = kernels_for<T>({&x, &relu.y, &g, &dresidual, &dx}).grad_input;
  const StridedLoops<5> places(arrays, LoopOrder::memory, kOthers);
  const Mask mask = kind_of(relu);
  const bool residual = static_cast<bool>(dresidual);
  walk_backwards(places, channel_count, [&](const Block<5>& block) {
    for (int64_t r = 0; r < block.rows; ++r) kernel(block, r, channels, mask, residual);
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

void batch_norm_grad_sums(const Array& x, const ReluMask& mask, const Array& g, const Array& mean, const Array& invstd,
                          const Array& gamma, const Array& dgamma, const Array& dbeta) {
  visit_floating(x.dtype,
                 [&]<class T>(std::type_identity<T>) { grad_sums<T>(x, mask, g, mean, invstd, gamma, dgamma, dbeta); });
}

void batch_norm_grad_input(const Array& x, const ReluMask& mask, const Array& g, const Array& mean, const Array& invstd,
                           const Array& gamma, const Array& dgamma, const Array& dbeta, double count, const Array& dx,
                           const Array& dresidual) {
  visit_floating(x.dtype, [&]<class T>(std::type_identity<T>) {
    grad_input<T>(x, mask, g, mean, invstd, gamma, dgamma, dbeta, count, dx, dresidual);
  });
}

void batch_norm_grad(const Array& x, const ReluMask& mask, const Array& g, const Array& mean, const Array& invstd,
                     const Array& gamma, const Array& dx, const Array& dgamma, const Array& dbeta,
                     const Array& dresidual) {
  batch_norm_grad_sums(x, mask, g, mean, invstd, gamma, dgamma, dbeta);
  if (!dx) return;
  const int64_t count = x.numel() / std::max<int64_t>(1, x.shape[kChannel]);
  batch_norm_grad_input(x, mask, g, mean, invstd, gamma, dgamma, dbeta, double(count), dx, dresidual);
}

}  // namespace ingot::kernels
