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

// Sums go down the rows of a tile a few vectors of channels at a time, their accumulators in registers. A cache line or
// more of each row is used up at once, and the prefetcher can follow that many rows.
constexpr int64_t kTileRows = 16;
constexpr int kWide = 4;  // vectors of doubles

// For every tile: chunk(first row, rows, c) for kWide vectors of channels from c, single(..., c) for each channel left.
template <class Chunk, class Single>
HWY_INLINE void for_tiles(int64_t rows, int64_t channels, const Chunk& chunk, const Single& single) {
  const auto step = static_cast<int64_t>(kWide * hn::Lanes(F64()));
  for (int64_t r0 = 0; r0 < rows; r0 += kTileRows) {
    const int64_t tile = std::min(kTileRows, rows - r0);
    int64_t c = 0;
    for (; c + step <= channels; c += step) chunk(r0, tile, c);
    for (; c < channels; ++c) single(r0, tile, c);
  }
}

/// sum += a and product += b * c for kWide vectors of channels; add(k, a, b, c) does it for the k-th.
class TwoSums {
 public:
  HWY_INLINE TwoSums(const double* sum, const double* product)
      : sum_{at(sum, 0), at(sum, 1), at(sum, 2), at(sum, 3)},
        product_{at(product, 0), at(product, 1), at(product, 2), at(product, 3)} {}
  HWY_INLINE void add(int k, VD a, VD b, VD c) {
    sum_[k] = hn::Add(sum_[k], a);
    product_[k] = hn::MulAdd(b, c, product_[k]);
  }
  HWY_INLINE void store_to(double* sum, double* product) const {
#pragma GCC unroll 4
    for (int k = 0; k < kWide; ++k) {
      hn::StoreU(sum_[k], F64(), sum + k * hn::Lanes(F64()));
      hn::StoreU(product_[k], F64(), product + k * hn::Lanes(F64()));
    }
  }

 private:
  static HWY_INLINE VD at(const double* p, size_t k) { return hn::LoadU(F64(), p + k * hn::Lanes(F64())); }

  VD sum_[kWide], product_[kWide];
};

template <class T>
void stats(const Block<1>& block, int64_t row, const Channels<float>& channels, double* sum, double* square) {
  const T* x = block.row<T>(0, row);
  const float* shift = channels.mean;
  const int64_t stride = block.stride[0];
  const auto lanes = static_cast<int64_t>(hn::Lanes(F64()));
  const auto chunk = [&](int64_t first, int64_t rows, int64_t c) HWY_ATTR {
    TwoSums sums(sum + c, square + c);
    for (int64_t r = first; r < first + rows; ++r) {
      const T* p = x + r * stride + c;
#pragma GCC unroll 4
      for (int k = 0; k < kWide; ++k) {
        const VD d = hn::Sub(load_f64(p + k * lanes), load_f64(shift + c + k * lanes));
        sums.add(k, d, d, d);
      }
    }
    sums.store_to(sum + c, square + c);
  };
  const auto single = [&](int64_t first, int64_t rows, int64_t c) HWY_ATTR {
    for (int64_t r = first; r < first + rows; ++r) {
      const double d = double(x[r * stride + c]) - double(shift[c]);
      sum[c] += d;
      square[c] += d * d;
    }
  };
  for_tiles(block.count, channels.count, chunk, single);
}

using One64 = hn::CappedTag<double, 1>;

// Where the ReLU was at its floor: in f32, as `apply` computed it, for lanes of f64.
template <class D, class T>
HWY_INLINE hn::Mask<D> is_cut(D d, const T* x, const Channels<float>& channels, int64_t c) {
  const hn::Rebind<float, D> f;
  const auto centred = hn::Sub(hn::DemoteTo(f, load_f64(d, x)), hn::LoadU(f, channels.mean + c));
  const auto v = hn::MulAdd(centred, hn::LoadU(f, channels.scale + c), hn::LoadU(f, channels.beta + c));
  return hn::Le(hn::PromoteTo(d, v), hn::Zero(d));
}

template <class T>
void grad_sums(const Block<3>& block, int64_t row, const Channels<float>& channels, Mask mask, double* sum,
               double* product) {
  const T *x = block.row<T>(0, row), *y = block.row<T>(1, row), *g = block.row<T>(2, row);
  const float* mean = channels.mean;
  const int64_t sx = block.stride[0], sy = block.stride[1], sg = block.stride[2];
  const auto lanes = static_cast<int64_t>(hn::Lanes(F64()));
  const auto chunk = [&](int64_t first, int64_t rows, int64_t c) HWY_ATTR {
    TwoSums sums(sum + c, product + c);
    for (int64_t r = first; r < first + rows; ++r) {
      const T *px = x + r * sx + c, *py = y + r * sy + c, *pg = g + r * sg + c;
#pragma GCC unroll 4
      for (int k = 0; k < kWide; ++k) {
        VD grad = load_f64(pg + k * lanes);
        if (mask == Mask::of_y) grad = hn::IfThenZeroElse(hn::Le(load_f64(py + k * lanes), hn::Zero(F64())), grad);
        if (mask == Mask::of_x) grad = hn::IfThenZeroElse(is_cut(F64(), px + k * lanes, channels, c + k * lanes), grad);
        sums.add(k, grad, grad, hn::Sub(load_f64(px + k * lanes), load_f64(mean + c + k * lanes)));
      }
    }
    sums.store_to(sum + c, product + c);
  };
  const auto single = [&](int64_t first, int64_t rows, int64_t c) HWY_ATTR {
    for (int64_t r = first; r < first + rows; ++r) {
      if (mask == Mask::of_y && float(y[r * sy + c]) <= 0) continue;
      if (mask == Mask::of_x && hn::AllTrue(One64(), is_cut(One64(), x + r * sx + c, channels, c))) continue;
      const double grad = double(g[r * sg + c]);
      sum[c] += grad;
      product[c] += grad * (double(x[r * sx + c]) - double(mean[c]));
    }
  };
  for_tiles(block.count, channels.count, chunk, single);
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

// step(Whole() or Part(), r, c, n) for all channels of all rows.
template <class Step>
HWY_INLINE void for_rows(int64_t rows, int64_t channels, const Step& step) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(F32()));
  for (int64_t r = 0; r < rows; ++r) {
    int64_t c = 0;
    for (; c + lanes <= channels; c += lanes) step(Whole(), r, c, lanes);
    if (c < channels) step(Part(), r, c, channels - c);
  }
}

template <class T>
void apply(const Block<3>& block, int64_t row, const Channels<float>& channels, bool residual, bool relu) {
  const T *x = block.row<T>(0, row), *z = block.row<T>(1, row);
  T* y = block.row<T>(2, row);
  const V floor = hn::Set(F32(), relu ? 0.f : -HUGE_VALF);
  for_rows(block.count, channels.count, [&](auto access, int64_t r, int64_t c, int64_t n) HWY_ATTR {
    const V centred = hn::Sub(access.read(x + r * block.stride[0] + c, n), access.read(channels.mean + c, n));
    V v = hn::MulAdd(centred, access.read(channels.scale + c, n), access.read(channels.beta + c, n));
    if (residual) v = hn::Add(v, access.read(z + r * block.stride[1] + c, n));
    v = hn::IfThenElse(hn::Le(v, floor), floor, v);  // keeps NaN
    access.write(v, y + r * block.stride[2] + c, n);
  });
}

template <class T>
void grad_input(const Block<5>& block, int64_t row, const Channels<float>& channels, Mask mask, bool residual) {
  const T *x = block.row<T>(0, row), *y = block.row<T>(1, row), *g = block.row<T>(2, row);
  T *dz = block.row<T>(3, row), *dx = block.row<T>(4, row);
  const auto& stride = block.stride;
  for_rows(block.count, channels.count, [&](auto access, int64_t r, int64_t c, int64_t n) HWY_ATTR {
    V grad = access.read(g + r * stride[2] + c, n);
    const V scale = access.read(channels.scale + c, n);
    const V centred = hn::Sub(access.read(x + r * stride[0] + c, n), access.read(channels.mean + c, n));
    if (mask != Mask::none) {
      const V v = mask == Mask::of_y ? access.read(y + r * stride[1] + c, n)
                                     : hn::MulAdd(centred, scale, access.read(channels.beta + c, n));
      grad = hn::IfThenZeroElse(hn::Le(v, hn::Zero(F32())), grad);
    }
    if (residual) access.write(grad, dz + r * stride[3] + c, n);
    if (channels.mean_grad != nullptr) {
      grad = hn::Sub(grad, access.read(channels.mean_grad + c, n));
      grad = hn::NegMulAdd(centred, access.read(channels.projection + c, n), grad);
    }
    access.write(hn::Mul(grad, scale), dx + r * stride[4] + c, n);
  });
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
