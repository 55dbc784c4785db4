#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/winograd_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
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

/// out[0], out[step], ... = L d for the matrices of winograd_plain.cpp, in as few operations as can be.
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
  static HWY_INLINE void weight(const V (&w)[3], V* out, int step) {
    const V half = constant(0.5f), even = hn::Mul(half, hn::Add(w[0], w[2]));
    out[0] = w[0];
    out[step] = hn::MulAdd(half, w[1], even);
    out[2 * step] = hn::NegMulAdd(half, w[1], even);
    out[3 * step] = w[2];
  }
  static HWY_INLINE void gradient(const V (&g)[2], V* out, int step) {
    out[0] = g[0];
    out[step] = hn::Add(g[0], g[1]);
    out[2 * step] = hn::Sub(g[0], g[1]);
    out[3 * step] = hn::Neg(g[1]);
  }
  static HWY_INLINE void weight_sums(const V (&s)[4], V* out, int step) {
    const V half = constant(0.5f), even = hn::Mul(half, hn::Add(s[1], s[2]));
    out[0] = hn::Add(s[0], even);
    out[step] = hn::Mul(half, hn::Sub(s[1], s[2]));
    out[2 * step] = hn::Add(even, s[3]);
  }
};

template <>
struct Lines<4> {
  // What the weights of the points +-a and +-b are divided by.
  static constexpr float kOfA = -1 / 1.5f, kOfB = 1 / 6.0f;

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
  static HWY_INLINE void weight(const V (&w)[3], V* out, int step) {
    const V even_a = hn::Mul(constant(kOfA), hn::MulAdd(constant(0.5f), w[2], w[0]));
    const V even_b = hn::Mul(constant(kOfB), hn::MulAdd(constant(2), w[2], w[0]));
    const V odd_a = constant(kOfA * kA), odd_b = constant(kOfB * kB);
    out[0] = w[0];
    out[step] = hn::MulAdd(odd_a, w[1], even_a);
    out[2 * step] = hn::NegMulAdd(odd_a, w[1], even_a);
    out[3 * step] = hn::MulAdd(odd_b, w[1], even_b);
    out[4 * step] = hn::NegMulAdd(odd_b, w[1], even_b);
    out[5 * step] = w[2];
  }
  static HWY_INLINE void gradient(const V (&g)[4], V* out, int step) {
    const V a = constant(kA), b = constant(kB), two = constant(2), half = constant(0.5f);
    const V even_a = hn::MulAdd(half, g[2], g[0]), odd_a = hn::MulAdd(half, g[3], g[1]);
    const V even_b = hn::MulAdd(two, g[2], g[0]), odd_b = hn::MulAdd(two, g[3], g[1]);
    out[0] = g[0];
    out[step] = hn::MulAdd(a, odd_a, even_a);
    out[2 * step] = hn::NegMulAdd(a, odd_a, even_a);
    out[3 * step] = hn::MulAdd(b, odd_b, even_b);
    out[4 * step] = hn::NegMulAdd(b, odd_b, even_b);
    out[5 * step] = g[3];
  }
  static HWY_INLINE void weight_sums(const V (&s)[6], V* out, int step) {
    const V sum_a = hn::Mul(constant(kOfA), hn::Add(s[1], s[2])), sum_b = hn::Mul(constant(kOfB), hn::Add(s[3], s[4]));
    out[0] = hn::Add(s[0], hn::Add(sum_a, sum_b));
    out[step] = hn::MulAdd(constant(kOfA * kA), hn::Sub(s[1], s[2]), hn::Mul(constant(kOfB * kB), hn::Sub(s[3], s[4])));
    out[2 * step] = hn::MulAdd(constant(0.5f), sum_a, hn::MulAdd(constant(2), sum_b, s[5]));
  }
};

/// From kIn x kIn to kOut x kOut.
template <int kIn, int kOut, void (*kLine)(const V (&)[kIn], V*, int)>
void square(const Planes& p) {
  for (int64_t first = 0; first < p.channels; first += p.width) {
    float* const to = p.out + first / p.width * p.strip;
    const int64_t end = std::min(p.channels - first, p.width);
    for (int64_t c = 0; c < end; c += kLanes) {
      const int64_t count = end - c;
      V half[kOut * kIn];  // L d
      INGOT_UNROLL
      for (int j = 0; j < kIn; ++j) {
        V d[kIn];
        INGOT_UNROLL
        for (int i = 0; i < kIn; ++i) d[i] = read_some(p.in[i * kIn + j] + first + c, count);
        kLine(d, half + j, kIn);
      }
      INGOT_UNROLL
      for (int i = 0; i < kOut; ++i) {
        V d[kIn], out[kOut];
        INGOT_UNROLL
        for (int j = 0; j < kIn; ++j) d[j] = half[i * kIn + j];
        kLine(d, out, 1);
        INGOT_UNROLL
        for (int j = 0; j < kOut; ++j) write_some(out[j], to + (i * kOut + j) * p.plane + c, count);
      }
    }
  }
}

template <int M>
void transform_of(Transform which, const Planes& p) {
  constexpr int kEdge = edge(M);
  switch (which) {
    case Transform::input:
      return square<kEdge, kEdge, Lines<M>::input>(p);
    case Transform::weight:
      return square<3, kEdge, Lines<M>::weight>(p);
    case Transform::gradient:
      return square<M, kEdge, Lines<M>::gradient>(p);
    case Transform::weight_sums:
      return square<kEdge, 3, Lines<M>::weight_sums>(p);
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

void transform(Transform which, int m, const Planes& p) {
  m == 2 ? transform_of<2>(which, p) : transform_of<4>(which, p);
}
void transform_output(int m, const OutputTile& t) { m == 2 ? output_tile<2>(t) : output_tile<4>(t); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ingot::kernels::winograd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ingot::kernels::winograd {

HWY_EXPORT(transform);
HWY_EXPORT(transform_output);

void transform(Transform which, int m, const Planes& planes) { INGOT_DISPATCH(transform)(which, m, planes); }
void transform_output(int m, const OutputTile& tile) { INGOT_DISPATCH(transform_output)(m, tile); }

}  // namespace ingot::kernels::winograd
#endif
