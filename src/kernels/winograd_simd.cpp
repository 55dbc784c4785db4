#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/winograd_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <numbers>

#include "kernels/dispatch.h"
#include "kernels/load-inl.h"
#include "kernels/unroll.h"
#include "kernels/winograd_transforms.h"

HWY_BEFORE_NAMESPACE();
namespace ingot::kernels::winograd {
namespace HWY_NAMESPACE {
namespace {

using namespace kernels::HWY_NAMESPACE;

constexpr int64_t kLanes = hn::MaxLanes(F32());
constexpr float kA = std::numbers::sqrt2_v<float> / 2, kB = std::numbers::sqrt2_v<float>;

HWY_INLINE V constant(float v) { return hn::Set(F32(), v); }

/// out[0], out[step], ... = B^T d and A^T s of winograd_plain.cpp, in as few operations as can be.
template <int M>
struct Lines;

template <>
struct Lines<2> {
  static HWY_INLINE void input(const V (&d)[4], V* out, int step) {
    out[0] = hn::Sub(d[0], d[2]);
    out[step] = hn::Add(d[1], d[2]);
    out[2 * step] = hn::Sub(d[2], d[1]);
    out[3 * step] = hn::Sub(d[1], d[3]);
  }
  static HWY_INLINE void output(const V (&s)[4], V* out, int step) {
    out[0] = hn::Add(hn::Add(s[0], s[1]), s[2]);
    out[step] = hn::Sub(hn::Sub(s[1], s[2]), s[3]);
  }
};

template <>
struct Lines<4> {
  static HWY_INLINE void input(const V (&d)[6], V* out, int step) {
    const V a = constant(kA), b = constant(kB), two = constant(2), half = constant(0.5f), sum = constant(2.5f);
    out[0] = hn::NegMulAdd(sum, d[2], hn::Add(d[0], d[4]));
    const V even_a = hn::NegMulAdd(two, d[2], d[4]), odd_a = hn::NegMulAdd(two, d[1], d[3]);
    out[step] = hn::MulAdd(a, odd_a, even_a);
    out[2 * step] = hn::NegMulAdd(a, odd_a, even_a);
    const V even_b = hn::NegMulAdd(half, d[2], d[4]), odd_b = hn::NegMulAdd(half, d[1], d[3]);
    out[3 * step] = hn::MulAdd(b, odd_b, even_b);
    out[4 * step] = hn::NegMulAdd(b, odd_b, even_b);
    out[5 * step] = hn::NegMulAdd(sum, d[3], hn::Add(d[1], d[5]));
  }
  static HWY_INLINE void output(const V (&s)[6], V* out, int step) {
    const V sum_a = hn::Add(s[1], s[2]), odd_a = hn::Sub(s[1], s[2]), sum_b = hn::Add(s[3], s[4]),
            odd_b = hn::Sub(s[3], s[4]);
    out[0] = hn::Add(s[0], hn::Add(sum_a, sum_b));
    out[step] = hn::MulAdd(constant(kA), odd_a, hn::Mul(constant(kB), odd_b));
    out[2 * step] = hn::MulAdd(constant(0.5f), sum_a, hn::Add(sum_b, sum_b));
    out[3 * step] = hn::MulAdd(constant(kA / 2), odd_a, hn::MulAdd(constant(2 * kB), odd_b, s[5]));
  }
};

template <int M>
void input_tile(const InputTile& t) {
  constexpr int kEdge = edge(M);
  for (int64_t c = 0; c < t.channels; c += kLanes) {
    const int64_t count = t.channels - c;
    V half[kEdge * kEdge];  // B^T d
    INGOT_UNROLL
    for (int j = 0; j < kEdge; ++j) {
      V d[kEdge];
      INGOT_UNROLL
      for (int i = 0; i < kEdge; ++i) d[i] = read_some(t.pixels[i * kEdge + j] + c, count);
      Lines<M>::input(d, half + j, kEdge);
    }
    INGOT_UNROLL
    for (int i = 0; i < kEdge; ++i) {
      V d[kEdge], out[kEdge];
      INGOT_UNROLL
      for (int j = 0; j < kEdge; ++j) d[j] = half[i * kEdge + j];
      Lines<M>::input(d, out, 1);
      INGOT_UNROLL
      for (int j = 0; j < kEdge; ++j) write_some(out[j], t.out + (i * kEdge + j) * t.plane + c, count);
    }
  }
}

template <int M>
void output_tile(const OutputTile& t) {
  constexpr int kEdge = edge(M);
  const V low = constant(t.low), high = constant(t.high);
  for (int64_t c = 0; c < t.channels; c += kLanes) {
    const int64_t count = t.channels - c;
    const V bias = t.bias == nullptr ? hn::Zero(F32()) : read_some(t.bias + c, count);
    V half[M * kEdge];  // A^T s
    INGOT_UNROLL
    for (int j = 0; j < kEdge; ++j) {
      V s[kEdge];
      INGOT_UNROLL
      for (int i = 0; i < kEdge; ++i) s[i] = read_some(t.sums + (i * kEdge + j) * t.plane + c, count);
      Lines<M>::output(s, half + j, kEdge);
    }
    INGOT_UNROLL
    for (int i = 0; i < M; ++i) {
      if (i >= t.rows) break;
      V s[kEdge], out[M];
      INGOT_UNROLL
      for (int j = 0; j < kEdge; ++j) s[j] = half[i * kEdge + j];
      Lines<M>::output(s, out, 1);
      INGOT_UNROLL
      for (int j = 0; j < M; ++j) {
        if (j >= t.columns) break;
        V y = hn::Add(out[j], bias);
        if (t.residual != nullptr)
          y = hn::Add(y, read_some(t.residual + i * t.residual_row + j * t.residual_pixel + c, count));
        write_some(clip(y, low, high), t.out + i * t.out_row + j * t.out_pixel + c, count);
      }
    }
  }
}

void transform_input(int m, const InputTile& t) { m == 2 ? input_tile<2>(t) : input_tile<4>(t); }
void transform_output(int m, const OutputTile& t) { m == 2 ? output_tile<2>(t) : output_tile<4>(t); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ingot::kernels::winograd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ingot::kernels::winograd {

HWY_EXPORT(transform_input);
HWY_EXPORT(transform_output);

void transform_input(int m, const InputTile& tile) { INGOT_DISPATCH(transform_input)(m, tile); }
void transform_output(int m, const OutputTile& tile) { INGOT_DISPATCH(transform_output)(m, tile); }

}  // namespace ingot::kernels::winograd
#endif
