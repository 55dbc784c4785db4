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
template <int M, int R, int kStride = 1>
struct Lines;

template <>
struct Lines<2, 3> {
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
struct Lines<4, 3> {
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

template <>
struct Lines<2, 7> {
  // What the weights of the points +-1/2, +-1 and +-2 are divided by.
  static constexpr float kOfHalf = 32 / 45.0f, kOfOne = -1 / 4.5f, kOfTwo = 1 / 90.0f;

  /// The two points +-x, the squares of the others having `sum` and `product`.
  static HWY_INLINE void pair(float x, float sum, float product, const V (&d)[8], V* out, int step) {
    const V even = hn::MulAdd(constant(product), d[2], hn::NegMulAdd(constant(sum), d[4], d[6]));
    const V odd = hn::MulAdd(constant(product), d[1], hn::NegMulAdd(constant(sum), d[3], d[5]));
    out[0] = hn::MulAdd(constant(x), odd, even);
    out[step] = hn::NegMulAdd(constant(x), odd, even);
  }
  static HWY_INLINE void input(const V (&d)[8], V* out, int step) {
    const V sum = constant(5.25f);
    out[0] = hn::MulAdd(sum, hn::Sub(d[2], d[4]), hn::Sub(d[6], d[0]));
    pair(0.5f, 5, 4, d, out + step, step);
    pair(1, 4.25f, 1, d, out + 3 * step, step);
    pair(2, 1.25f, 0.25f, d, out + 5 * step, step);
    out[7 * step] = hn::MulAdd(sum, hn::Sub(d[3], d[5]), hn::Sub(d[7], d[1]));
  }
  static HWY_INLINE void output(const V (&s)[8], V* out, int step) {
    const V sums = hn::Add(hn::Add(hn::Add(s[1], s[2]), hn::Add(s[3], s[4])), hn::Add(s[5], s[6]));
    const V ends = hn::MulAdd(constant(2), hn::Sub(s[5], s[6]), s[7]);
    out[0] = hn::Add(s[0], sums);
    out[step] = hn::MulAdd(constant(0.5f), hn::Sub(s[1], s[2]), hn::Add(hn::Sub(s[3], s[4]), ends));
  }
  /// At +-x, over the products of its distances from the other points.
  static HWY_INLINE void weight_pair(float x, float over, const V (&w)[7], V* out, int step) {
    const V square = constant(x * x);
    const V even = hn::MulAdd(square, hn::MulAdd(square, hn::MulAdd(square, w[6], w[4]), w[2]), w[0]);
    const V odd = hn::MulAdd(square, hn::MulAdd(square, w[5], w[3]), w[1]);
    const V all = hn::Mul(constant(over), even), scale = constant(over * x);
    out[0] = hn::MulAdd(scale, odd, all);
    out[step] = hn::NegMulAdd(scale, odd, all);
  }
  static HWY_INLINE void weight(const V (&w)[7], V* out, int step) {
    out[0] = hn::Neg(w[0]);
    weight_pair(0.5f, kOfHalf, w, out + step, step);
    weight_pair(1, kOfOne, w, out + 3 * step, step);
    weight_pair(2, kOfTwo, w, out + 5 * step, step);
    out[7 * step] = w[6];
  }
};

template <>
struct Lines<2, 3, 2> {
  static HWY_INLINE void input(const V (&d)[5], V* out, int step) {
    out[0] = hn::Add(d[0], d[2]);
    out[step] = hn::Sub(d[2], d[0]);
    out[2 * step] = hn::Sub(d[4], d[0]);
    out[3 * step] = d[1];
    out[4 * step] = d[3];
  }
  static HWY_INLINE void output(const V (&s)[5], V* out, int step) {
    out[0] = hn::Add(hn::Add(s[0], s[1]), s[3]);
    out[step] = hn::Add(hn::Sub(s[0], s[1]), hn::Add(s[2], s[4]));
  }
  static HWY_INLINE void weight(const V (&w)[3], V* out, int step) {
    const V half = constant(0.5f);
    out[0] = hn::Mul(half, hn::Add(w[0], w[2]));
    out[step] = hn::Mul(half, hn::Sub(w[2], w[0]));
    out[2 * step] = w[2];
    out[3 * step] = w[1];
  }
};

template <>
struct Lines<4, 3, 2> {
  static constexpr float kP = 0.5f, kQ = 1.25f, kPP = kP * kP, kQQ = kQ * kQ;
  // What the weights of the points +-p and +-q are divided by, their odd parts too.
  static constexpr float kOddP = 1 / (2 * (kPP - kQQ)), kOddQ = -kOddP, kEvenP = kOddP / kP, kEvenQ = kOddQ / kQ;

  static HWY_INLINE void input(const V (&d)[9], V* out, int step) {
    const V p = constant(kP), q = constant(kQ), pp = constant(kPP), qq = constant(kQQ);
    const V odd_p = hn::NegMulAdd(qq, d[2], d[6]), even_p = hn::NegMulAdd(qq, d[0], d[4]);
    out[0] = hn::MulAdd(p, even_p, odd_p);
    out[step] = hn::NegMulAdd(p, even_p, odd_p);
    const V odd_q = hn::NegMulAdd(pp, d[2], d[6]), even_q = hn::NegMulAdd(pp, d[0], d[4]);
    out[2 * step] = hn::MulAdd(q, even_q, odd_q);
    out[3 * step] = hn::NegMulAdd(q, even_q, odd_q);
    out[4 * step] = hn::MulAdd(constant(kPP * kQQ), d[0], hn::NegMulAdd(constant(kPP + kQQ), d[4], d[8]));
    INGOT_UNROLL
    for (int i = 0; i < 4; ++i) out[(5 + i) * step] = d[2 * i + 1];
  }
  static HWY_INLINE void output(const V (&s)[9], V* out, int step) {
    const V sum_p = hn::Add(s[0], s[1]), odd_p = hn::Sub(s[0], s[1]), sum_q = hn::Add(s[2], s[3]),
            odd_q = hn::Sub(s[2], s[3]);
    out[0] = hn::Add(s[5], hn::Add(sum_p, sum_q));
    out[step] = hn::MulAdd(constant(kP), odd_p, hn::MulAdd(constant(kQ), odd_q, s[6]));
    out[2 * step] = hn::MulAdd(constant(kPP), sum_p, hn::MulAdd(constant(kQQ), sum_q, s[7]));
    out[3 * step] = hn::MulAdd(constant(kP * kPP), odd_p, hn::MulAdd(constant(kQ * kQQ), odd_q, hn::Add(s[4], s[8])));
  }
  static HWY_INLINE void weight(const V (&w)[3], V* out, int step) {
    const V even_p = hn::Mul(constant(kEvenP), w[0]), even_q = hn::Mul(constant(kEvenQ), w[0]);
    const V odd_p = constant(kOddP), odd_q = constant(kOddQ);
    out[0] = hn::MulAdd(odd_p, w[2], even_p);
    out[step] = hn::Sub(hn::Mul(odd_p, w[2]), even_p);
    out[2 * step] = hn::MulAdd(odd_q, w[2], even_q);
    out[3 * step] = hn::Sub(hn::Mul(odd_q, w[2]), even_q);
    out[4 * step] = w[2];
    out[5 * step] = w[1];
  }
};

/// Calls work(c, count, to) for each vector of channels: the first of them, how many there are, where results go.
template <class F>
HWY_INLINE void for_vectors(const Planes& p, const F& work) {
  for (int64_t first = 0; first < p.channels; first += p.width) {
    float* const to = p.out + first / p.width * p.strip;
    const int64_t end = std::min(p.channels - first, p.width);
    for (int64_t c = 0; c < end; c += kLanes) work(first + c, end - c, to + c);
  }
}

/// From kIn to kOut.
template <int kIn, int kOut, void (*kLine)(const V (&)[kIn], V*, int)>
void line(const Planes& p) {
  for_vectors(p, [&](int64_t c, int64_t count, float* to) HWY_ATTR {
    V d[kIn], out[kOut];
    INGOT_UNROLL
    for (int i = 0; i < kIn; ++i) d[i] = read_some(p.in[i] + c, count);
    kLine(d, out, 1);
    INGOT_UNROLL
    for (int i = 0; i < kOut; ++i) write_some(out[i], to + i * p.plane, count);
  });
}

/// From kIn x kIn to kOut x kOut.
template <int kIn, int kOut, void (*kLine)(const V (&)[kIn], V*, int)>
void square(const Planes& p) {
  for_vectors(p, [&](int64_t c, int64_t count, float* to) HWY_ATTR {
    V half[kOut * kIn];  // L d
    INGOT_UNROLL
    for (int j = 0; j < kIn; ++j) {
      V d[kIn];
      INGOT_UNROLL
      for (int i = 0; i < kIn; ++i) d[i] = read_some(p.in[i * kIn + j] + c, count);
      kLine(d, half + j, kIn);
    }
    INGOT_UNROLL
    for (int i = 0; i < kOut; ++i) {
      V d[kIn], out[kOut];
      INGOT_UNROLL
      for (int j = 0; j < kIn; ++j) d[j] = half[i * kIn + j];
      kLine(d, out, 1);
      INGOT_UNROLL
      for (int j = 0; j < kOut; ++j) write_some(out[j], to + (i * kOut + j) * p.plane, count);
    }
  });
}

template <int M, int R>
void transform_line(Transform which, const Planes& p) {
  constexpr int kEdge = M + R - 1;
  which == Transform::input ? line<kEdge, kEdge, Lines<M, R>::input>(p) : line<R, kEdge, Lines<M, R>::weight>(p);
}

template <int M>
void transform_square(Transform which, const Planes& p) {
  constexpr int kEdge = M + 2;
  switch (which) {
    case Transform::input:
      return square<kEdge, kEdge, Lines<M, 3>::input>(p);
    case Transform::weight:
      return square<3, kEdge, Lines<M, 3>::weight>(p);
    case Transform::gradient:
      return square<M, kEdge, Lines<M, 3>::gradient>(p);
    case Transform::weight_sums:
      return square<kEdge, 3, Lines<M, 3>::weight_sums>(p);
  }
}

template <int M>
void transform_strided(Transform which, const Planes& p) {
  constexpr Filter kFilter{M, 3, 2};
  which == Transform::input ? square<kFilter.edge(), kFilter.edge(), Lines<M, 3, 2>::input>(p)
                            : square<3, kFilter.edge_weights(), Lines<M, 3, 2>::weight>(p);
}

/// Results along a line of an output tile, whichever way it lies.
struct OutputLine {
  float* out;
  int64_t step;
  const float* residual;
  int64_t residual_step;
  int count;
};
template <int M>
HWY_INLINE void write_line(const OutputTile& t, const V (&y)[M], int64_t c, const OutputLine& line) {
  const int64_t count = t.channels - c;
  const V bias = t.bias == nullptr ? hn::Zero(F32()) : read_some(t.bias + c, count);
  INGOT_UNROLL
  for (int j = 0; j < M; ++j) {
    if (j >= line.count) break;
    V v = hn::Add(y[j], bias);
    if (line.residual != nullptr) v = hn::Add(v, read_some(line.residual + j * line.residual_step + c, count));
    write_some(clip(v, constant(t.low), constant(t.high)), line.out + j * line.step + c, count);
  }
}

template <int M, int R>
void output_line(const OutputTile& t, bool across) {
  constexpr int kEdge = M + R - 1;
  const OutputLine along = across ? OutputLine{t.out, t.out_pixel, t.residual, t.residual_pixel, t.columns}
                                  : OutputLine{t.out, t.out_row, t.residual, t.residual_row, t.rows};
  for (int64_t c = 0; c < t.channels; c += kLanes) {
    V s[kEdge], out[M];
    INGOT_UNROLL
    for (int i = 0; i < kEdge; ++i) s[i] = read_some(t.sums + i * t.plane + c, t.channels - c);
    Lines<M, R>::output(s, out, 1);
    write_line(t, out, c, along);
  }
}

template <int M, int kStride = 1>
void output_square(const OutputTile& t) {
  constexpr int kEdge = Filter{M, 3, kStride}.edge();
  for (int64_t c = 0; c < t.channels; c += kLanes) {
    V half[M * kEdge];  // A^T s
    INGOT_UNROLL
    for (int j = 0; j < kEdge; ++j) {
      V s[kEdge];
      INGOT_UNROLL
      for (int i = 0; i < kEdge; ++i) s[i] = read_some(t.sums + (i * kEdge + j) * t.plane + c, t.channels - c);
      Lines<M, 3, kStride>::output(s, half + j, kEdge);
    }
    INGOT_UNROLL
    for (int i = 0; i < M; ++i) {
      if (i >= t.rows) break;
      V s[kEdge], out[M];
      INGOT_UNROLL
      for (int j = 0; j < kEdge; ++j) s[j] = half[i * kEdge + j];
      Lines<M, 3, kStride>::output(s, out, 1);
      const float* const residual = t.residual == nullptr ? nullptr : t.residual + i * t.residual_row;
      write_line(t, out, c, {t.out + i * t.out_row, t.out_pixel, residual, t.residual_pixel, t.columns});
    }
  }
}

void transform(Transform which, const Filter& f, const Planes& p) {
  if (f.stride == 2) return f.m == 2 ? transform_strided<2>(which, p) : transform_strided<4>(which, p);
  if (!f.is_line()) return f.m == 2 ? transform_square<2>(which, p) : transform_square<4>(which, p);
  if (f.taps() == 7) return transform_line<2, 7>(which, p);
  f.m == 2 ? transform_line<2, 3>(which, p) : transform_line<4, 3>(which, p);
}
void transform_output(const Filter& f, const OutputTile& t) {
  if (f.stride == 2) return f.m == 2 ? output_square<2, 2>(t) : output_square<4, 2>(t);
  if (!f.is_line()) return f.m == 2 ? output_square<2>(t) : output_square<4>(t);
  const bool across = f.kernel.h == 1;
  if (f.taps() == 7) return output_line<2, 7>(t, across);
  f.m == 2 ? output_line<2, 3>(t, across) : output_line<4, 3>(t, across);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ingot::kernels::winograd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ingot::kernels::winograd {

HWY_EXPORT(transform);
HWY_EXPORT(transform_output);

void transform(Transform which, const Filter& filter, const Planes& planes) {
  INGOT_DISPATCH(transform)(which, filter, planes);
}
void transform_output(const Filter& filter, const OutputTile& tile) { INGOT_DISPATCH(transform_output)(filter, tile); }

}  // namespace ingot::kernels::winograd
#endif
