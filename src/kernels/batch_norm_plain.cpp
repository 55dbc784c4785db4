#include "ingot/dtype.h"
#include "kernels/batch_norm_kernels.h"

namespace ingot::kernels {
namespace {

template <class T>
using Params = typename BatchNormKernels<T>::P;

// step(r, c) for all places and channels; the inner loop is the one that the first array has closer in memory.
template <int N, class P, class Step>
void for_elements(const Block<N>& block, const Channels<P>& channels, const Step& step) {
  if (channels.stride[0] > block.stride[0]) {
    for (int64_t c = 0; c < channels.count; ++c)
      for (int64_t r = 0; r < block.count; ++r) step(r, c);
  } else {
    for (int64_t r = 0; r < block.count; ++r)
      for (int64_t c = 0; c < channels.count; ++c) step(r, c);
  }
}

// Element (place r, channel c) of array i in a row of the block.
template <class T, int N, class P>
auto elements(const Block<N>& block, int64_t row, const Channels<P>& channels, int i) {
  return [p = block.template row<T>(i, row), sr = block.stride[i], sc = channels.stride[i]](
             int64_t r, int64_t c) -> T& { return p[r * sr + c * sc]; };
}

template <class T>
void stats(const Block<1>& block, int64_t row, const Channels<Params<T>>& channels, double* sum, double* square) {
  const auto x = elements<T>(block, row, channels, 0);
  for_elements(block, channels, [&](int64_t r, int64_t c) {
    const double d = double(x(r, c)) - double(channels.mean[c]);
    sum[c] += d;
    square[c] += d * d;
  });
}

// What `apply` computes before a residual and the ReLU.
template <class T>
Params<T> normalised(T x, const Channels<Params<T>>& channels, int64_t c) {
  return (Params<T>(x) - channels.mean[c]) * channels.scale[c] + channels.beta[c];
}

// Whether the ReLU was at its floor.
template <class T>
bool is_cut(Mask mask, T x, T y, const Channels<Params<T>>& channels, int64_t c) {
  if (mask == Mask::none) return false;
  return (mask == Mask::of_y ? Params<T>(y) : normalised<T>(x, channels, c)) <= 0;
}

template <class T>
void apply(const Block<3>& block, int64_t row, const Channels<Params<T>>& channels, bool residual, bool relu) {
  const auto x = elements<T>(block, row, channels, 0), z = elements<T>(block, row, channels, 1);
  const auto y = elements<T>(block, row, channels, 2);
  for_elements(block, channels, [&](int64_t r, int64_t c) {
    Params<T> v = normalised<T>(x(r, c), channels, c);
    if (residual) v += Params<T>(z(r, c));
    y(r, c) = T(relu && v <= 0 ? 0 : v);
  });
}

template <class T>
void grad_sums(const Block<3>& block, int64_t row, const Channels<Params<T>>& channels, Mask mask, double* sum,
               double* product) {
  const auto x = elements<T>(block, row, channels, 0), y = elements<T>(block, row, channels, 1);
  const auto g = elements<T>(block, row, channels, 2);
  for_elements(block, channels, [&](int64_t r, int64_t c) {
    if (is_cut<T>(mask, x(r, c), y(r, c), channels, c)) return;
    const auto grad = double(g(r, c));
    sum[c] += grad;
    product[c] += grad * (double(x(r, c)) - double(channels.mean[c]));
  });
}

template <class T>
void grad_input(const Block<5>& block, int64_t row, const Channels<Params<T>>& channels, Mask mask, bool residual) {
  using P = Params<T>;
  const auto x = elements<T>(block, row, channels, 0), y = elements<T>(block, row, channels, 1);
  const auto g = elements<T>(block, row, channels, 2), dz = elements<T>(block, row, channels, 3);
  const auto dx = elements<T>(block, row, channels, 4);
  for_elements(block, channels, [&](int64_t r, int64_t c) {
    P grad = is_cut<T>(mask, x(r, c), y(r, c), channels, c) ? P(0) : P(g(r, c));
    if (residual) dz(r, c) = T(grad);
    if (channels.mean_grad != nullptr)
      grad = grad - channels.mean_grad[c] - (P(x(r, c)) - channels.mean[c]) * channels.projection[c];
    dx(r, c) = T(grad * channels.scale[c]);
  });
}

}  // namespace

template <class T>
const BatchNormKernels<T>& plain_batch_norm() {
  static constexpr BatchNormKernels<T> kTable{stats<T>, apply<T>, grad_sums<T>, grad_input<T>};
  return kTable;
}
template const BatchNormKernels<float>& plain_batch_norm<float>();
template const BatchNormKernels<double>& plain_batch_norm<double>();
template const BatchNormKernels<bf16>& plain_batch_norm<bf16>();

}  // namespace ingot::kernels
