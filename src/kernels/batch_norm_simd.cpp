#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/batch_norm_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/batch_norm_kernels.h"
#include "kernels/dispatch.h"
#include "kernels/load-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ingot::kernels {
namespace HWY_NAMESPACE {
namespace {

/// Rows that kernels go along side by side: what belongs to their channels is read once for all, memory still in runs.
constexpr int kRowsAtOnce = 4;

/// call<mask>() for a mask that is known when the kernel runs.
template <class Call>
HWY_INLINE void with_mask(Mask mask, const Call& call) {
  if (mask == Mask::none) return call.template operator()<Mask::none>();
  if (mask == Mask::of_y) return call.template operator()<Mask::of_y>();
  call.template operator()<Mask::of_x>();
}

/// What a place adds to its channel's two sums: value, and value times factor.
template <class D>
struct Term {
  hn::Vec<D> value, factor;
};
template <class D>
struct TwoSums {
  hn::Vec<D> values, products;
};

/// The sums of kRows rows from r for the channels of a vector, pairs of pairs: they round less than one after another.
template <int kRows, class D, class TermAt>
HWY_INLINE TwoSums<D> sum_of(D d, int64_t r, int64_t c, const TermAt& term) {
  if constexpr (kRows == 1) {
    const Term<D> t = term(d, r, c);
    return {t.value, hn::Mul(t.value, t.factor)};
  } else if constexpr (kRows == 2) {
    const Term<D> a = term(d, r, c), b = term(d, r + 1, c);
    return {hn::Add(a.value, b.value), hn::MulAdd(b.value, b.factor, hn::Mul(a.value, a.factor))};
  } else {
    const TwoSums<D> a = sum_of<kRows / 2>(d, r, c, term), b = sum_of<kRows / 2>(d, r + kRows / 2, c, term);
    return {hn::Add(a.values, b.values), hn::Add(a.products, b.products)};
  }
}

HWY_INLINE void add_to(hn::CappedTag<float, 1>, hn::Vec<hn::CappedTag<float, 1>> v, double* sum) {
  *sum += static_cast<double>(hn::GetLane(v));
}
#if HWY_TARGET != HWY_SCALAR
HWY_INLINE void add_to(F32, V v, double* sum) {
  const hn::Half<F32> half;
  const F64 wide;
  double* upper = sum + hn::Lanes(wide);
  hn::StoreU(hn::Add(hn::LoadU(wide, sum), hn::PromoteTo(wide, hn::LowerHalf(half, v))), wide, sum);
  hn::StoreU(hn::Add(hn::LoadU(wide, upper), hn::PromoteTo(wide, hn::UpperHalf(half, v))), wide, upper);
}
#endif

/// Adds what kRows rows from r have to the sums of all channels.
template <int kRows, class TermAt>
HWY_INLINE void add_rows(int64_t r, int64_t channels, const TermAt& term, double* sum, double* product) {
  const auto add = [&](auto d, int64_t c) HWY_ATTR {
    const auto both = sum_of<kRows>(d, r, c, term);
    add_to(d, both.values, sum + c);
    add_to(d, both.products, product + c);
  };
  const auto lanes = static_cast<int64_t>(hn::Lanes(F32()));
  int64_t c = 0;
  for (; c + lanes <= channels; c += lanes) add(F32(), c);
  for (; c < channels; ++c) add(hn::CappedTag<float, 1>(), c);
}

/// Adds what all places have to the sums of their channels; term(d, r, c) is what a vector of row r has. Few rows go
/// along at once, so that memory is read in runs, and come together in f32, so that the f64 sums are touched once.
template <class TermAt>
HWY_INLINE void sum_rows(int64_t rows, int64_t channels, const TermAt& term, double* sum, double* product) {
  int64_t r = 0;
  for (; r + kRowsAtOnce <= rows; r += kRowsAtOnce) add_rows<kRowsAtOnce>(r, channels, term, sum, product);
  for (; r < rows; ++r) add_rows<1>(r, channels, term, sum, product);
}

template <class T>
void stats(const Block<1>& block, int64_t row, const Channels<float>& channels, double* sum, double* square) {
  const T* x = block.row<T>(0, row);
  const float* shift = channels.mean;
  const int64_t stride = block.stride[0];
  const auto term = [&]<class D>(D d, int64_t r, int64_t c) HWY_ATTR -> Term<D> {
    const auto shifted = hn::Sub(load(d, x + r * stride + c), load(d, shift + c));
    return {shifted, shifted};
  };
  sum_rows(block.count, channels.count, term, sum, square);
}

template <Mask mask, class T>
void grad_sums(const Block<3>& block, int64_t row, const Channels<float>& channels, double* sum, double* product) {
  const T *x = block.row<T>(0, row), *y = block.row<T>(1, row), *g = block.row<T>(2, row);
  const float *mean = channels.mean, *scale = channels.scale, *beta = channels.beta;
  const int64_t sx = block.stride[0], sy = block.stride[1], sg = block.stride[2];
  const auto term = [&]<class D>(D d, int64_t r, int64_t c) HWY_ATTR -> Term<D> {
    const auto centred = hn::Sub(load(d, x + r * sx + c), load(d, mean + c));
    const auto grad = load(d, g + r * sg + c);
    if constexpr (mask == Mask::none) return {grad, centred};
    const auto v =
        mask == Mask::of_y ? load(d, y + r * sy + c) : hn::MulAdd(centred, load(d, scale + c), load(d, beta + c));
    return {hn::IfThenZeroElse(hn::Le(v, hn::Zero(d)), grad), centred};
  };
  sum_rows(block.count, channels.count, term, sum, product);
}

template <class T>
void grad_sums(const Block<3>& block, int64_t row, const Channels<float>& channels, Mask mask, double* sum,
               double* product) {
  with_mask(mask, [&]<Mask kMask>() { grad_sums<kMask, T>(block, row, channels, sum, product); });
}

// A vector of channels, or the first n of them where n is less than one.
struct Whole {
  template <class T>
  static HWY_INLINE V read(const T* p, int64_t) {
    return load(p);
  }
  template <class T>
  static HWY_INLINE void write(V v, T* p, int64_t) {
    store(v, p);
  }
};
struct Part {
  template <class T>
  static HWY_INLINE V read(const T* p, int64_t n) {
    return load_part(p, n);
  }
  template <class T>
  static HWY_INLINE void write(V v, T* p, int64_t n) {
    store_part(v, p, n);
  }
};

/// step(Whole() or Part(), r, c, n) for all channels of all rows, in the order of memory.
template <class Step>
HWY_INLINE void for_rows(int64_t rows, int64_t channels, const Step& step) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(F32()));
  for (int64_t r = 0; r < rows; ++r) {
    int64_t c = 0;
    for (; c + lanes <= channels; c += lanes) step(Whole(), r, c, lanes);
    if (c < channels) step(Part(), r, c, channels - c);
  }
}

template <bool residual, class T>
void apply(const Block<3>& block, int64_t row, const Channels<float>& channels, bool relu) {
  const T *x = block.row<T>(0, row), *z = block.row<T>(1, row);
  T* y = block.row<T>(2, row);
  const auto [sx, sz, sy] = block.stride;
  const float *mean = channels.mean, *scale = channels.scale, *beta = channels.beta;
  const V floor = hn::Set(F32(), relu ? 0.f : -HUGE_VALF);
  for_rows(block.count, channels.count, [=](auto access, int64_t r, int64_t c, int64_t n) HWY_ATTR {
    const V centred = hn::Sub(access.read(x + r * sx + c, n), access.read(mean + c, n));
    V v = hn::MulAdd(centred, access.read(scale + c, n), access.read(beta + c, n));
    if constexpr (residual) v = hn::Add(v, access.read(z + r * sz + c, n));
    v = hn::IfThenElse(hn::Le(v, floor), floor, v);  // keeps NaN
    access.write(v, y + r * sy + c, n);
  });
}

template <class T>
void apply(const Block<3>& block, int64_t row, const Channels<float>& channels, bool residual, bool relu) {
  (residual ? apply<true, T> : apply<false, T>)(block, row, channels, relu);
}

template <Mask mask, class T>
void grad_input(const Block<5>& block, int64_t row, const Channels<float>& channels, bool residual) {
  const T *x = block.row<T>(0, row), *y = block.row<T>(1, row), *g = block.row<T>(2, row);
  T *dz = block.row<T>(3, row), *dx = block.row<T>(4, row);
  const auto [sx, sy, sg, sz, sdx] = block.stride;
  const float *mean = channels.mean, *scales = channels.scale, *beta = channels.beta;
  const float *mean_grad = channels.mean_grad, *projection = channels.projection;
  for_rows(block.count, channels.count, [=](auto access, int64_t r, int64_t c, int64_t n) HWY_ATTR {
    V grad = access.read(g + r * sg + c, n);
    const V scale = access.read(scales + c, n);
    const V centred = hn::Sub(access.read(x + r * sx + c, n), access.read(mean + c, n));
    if constexpr (mask != Mask::none) {
      const V v =
          mask == Mask::of_y ? access.read(y + r * sy + c, n) : hn::MulAdd(centred, scale, access.read(beta + c, n));
      grad = hn::IfThenZeroElse(hn::Le(v, hn::Zero(F32())), grad);
    }
    if (residual) access.write(grad, dz + r * sz + c, n);
    if (mean_grad != nullptr) {
      grad = hn::Sub(grad, access.read(mean_grad + c, n));
      grad = hn::NegMulAdd(centred, access.read(projection + c, n), grad);
    }
    access.write(hn::Mul(grad, scale), dx + r * sdx + c, n);
  });
}

template <class T>
void grad_input(const Block<5>& block, int64_t row, const Channels<float>& channels, Mask mask, bool residual) {
  with_mask(mask, [&]<Mask kMask>() { grad_input<kMask, T>(block, row, channels, residual); });
}

template <class T>
BatchNormKernels<T> kernels() {
  return {stats<T>, apply<T>, grad_sums<T>, grad_input<T>};
}
BatchNormKernels<float> kernels_f32() { return kernels<float>(); }
BatchNormKernels<bf16> kernels_bf16() { return kernels<bf16>(); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ingot::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ingot::kernels {

HWY_EXPORT(kernels_f32);
HWY_EXPORT(kernels_bf16);

template <>
const BatchNormKernels<float>& simd_batch_norm<float>() {
  static const BatchNormKernels<float> table = INGOT_DISPATCH(kernels_f32)();
  return table;
}
template <>
const BatchNormKernels<bf16>& simd_batch_norm<bf16>() {
  static const BatchNormKernels<bf16> table = INGOT_DISPATCH(kernels_bf16)();
  return table;
}

}  // namespace ingot::kernels
#endif
