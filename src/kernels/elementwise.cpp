#include "kernels/elementwise.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "kernels/convert.h"
#include "kernels/dispatch.h"
#include "kernels/elementwise_kernels.h"
#include "kernels/strided.h"
#include "kernels/transpose.h"

namespace ingot::kernels {
namespace {

// Operands that are strided or need converting pass through the stack in pieces of this many elements.
constexpr int64_t kPiece = 256;
constexpr int64_t kMaxElement = 8;

/// Runs a kernel for contiguous runs of `types` over arrays of any strides and dtypes; the last one is the output.
template <int N>
class Map {
 public:
  Map(const std::array<const Array*, N>& arrays, const std::array<DType, N>& types, MapKernel kernel, double alpha)
      : kernel_(kernel), alpha_(alpha) {
    for (int i = 0; i < N; ++i) {
      same_type_[i] = arrays[i]->dtype == types[i];
      converters_[i] = i < N - 1 ? converter(arrays[i]->dtype, types[i]) : converter(types[i], arrays[i]->dtype);
    }
  }

  void operator()(const Block<N>& block) const {
    bool direct = true;
    for (int i = 0; i < N; ++i) direct &= is_run(block, i);
    for (int64_t r = 0; r < block.rows; ++r) direct ? run(block, r) : run_in_pieces(block, r);
  }

 private:
  bool is_run(const Block<N>& block, int i) const {
    return same_type_[i] && (block.stride[i] == 1 || block.count == 1);
  }

  void run(const Block<N>& block, int64_t r) const {
    const void* in[N];
    for (int i = 0; i < N; ++i) in[i] = block.row(i, r);
    kernel_(in, block.row(N - 1, r), block.count, alpha_);
  }

  void run_in_pieces(const Block<N>& block, int64_t r) const {
    alignas(64) char buffer[N][kPiece * kMaxElement];
    const void* in[N];
    for (int64_t at = 0; at < block.count; at += kPiece) {
      const int64_t n = std::min(kPiece, block.count - at);
      for (int i = 0; i < N - 1; ++i) {
        const char* x = block.row(i, r) + at * block.stride[i] * block.element[i];
        in[i] = is_run(block, i) ? x : buffer[i];
        const bool filled = block.stride[i] == 0 && at > 0;  // a broadcast scalar is there already
        if (in[i] != x && !filled) converters_[i](x, block.stride[i], buffer[i], 1, n);
      }
      char* y = block.row(N - 1, r) + at * block.stride[N - 1] * block.element[N - 1];
      const bool direct = is_run(block, N - 1);
      kernel_(in, direct ? y : buffer[N - 1], n, alpha_);
      if (!direct) converters_[N - 1](buffer[N - 1], 1, y, block.stride[N - 1], n);
    }
  }

  MapKernel kernel_;
  double alpha_;
  std::array<bool, N> same_type_;
  std::array<Converter, N> converters_;
};

template <int N>
void map(const std::array<const Array*, N>& arrays, const std::array<DType, N>& types, MapKernel kernel,
         double alpha = 0) {
  for_each_block<N>(arrays, Map<N>(arrays, types, kernel, alpha));
}

constexpr bool is_comparison(Binary op) { return op >= Binary::eq; }

// where, fill and copy move bits: the element's size is all that counts.

/// Calls body(U()) with an unsigned type of the dtype's size.
template <class Body>
void visit_size(DType dtype, Body&& body) {
  switch (size_of(dtype)) {
    case 1:
      return body(uint8_t());
    case 2:
      return body(uint16_t());
    case 4:
      return body(uint32_t());
    default:
      return body(uint64_t());
  }
}

template <class U>
void where_row(const Block<4>& block, int64_t r) {
  const auto* cond = block.row<uint8_t>(0, r);
  const auto *a = block.row<U>(1, r), *b = block.row<U>(2, r);
  auto* y = block.row<U>(3, r);
  const auto [sc, sa, sb, sy] = block.stride;
  if (sc == 1 && sa == 1 && sb == 1 && sy == 1) {
    for (int64_t i = 0; i < block.count; ++i) y[i] = cond[i] ? a[i] : b[i];
    return;
  }
  for (int64_t i = 0; i < block.count; ++i) y[i * sy] = cond[i * sc] ? a[i * sa] : b[i * sb];
}

template <class U>
void fill_row(U* y, int64_t stride, int64_t n, U value) {
  if (stride == 1) return void(std::fill_n(y, n, value));
  for (int64_t i = 0; i < n; ++i) y[i * stride] = value;
}

// y[r, i] = x[i, r], x contiguous in r and y in i. A tile is a cache line of either.
template <class U>
void transpose(const U* x, int64_t x_stride, U* y, int64_t y_stride, int64_t rows, int64_t count) {
  if constexpr (sizeof(U) == 4) return transpose_32(x, x_stride, y, y_stride, rows, count);
  constexpr int64_t kTile = 64 / sizeof(U);
  for (int64_t i = 0; i < count; i += kTile)
    for (int64_t r = 0; r < rows; r += kTile)
      for (int64_t a = r; a < std::min(rows, r + kTile); ++a)
        for (int64_t b = i; b < std::min(count, i + kTile); ++b) y[a * y_stride + b] = x[b * x_stride + a];
}

template <class U>
void copy_block(const Block<2>& block) {
  const auto [sx, sy] = block.stride;
  if (block.rows > 1 && block.row_stride[0] == 1 && sy == 1 && sx != 1)
    return transpose(block.row<U>(0, 0), sx, block.row<U>(1, 0), block.row_stride[1], block.rows, block.count);
  for (int64_t r = 0; r < block.rows; ++r) {
    const U* x = block.row<U>(0, r);
    U* y = block.row<U>(1, r);
    if (sx == 1 && sy == 1)
      std::memcpy(y, x, static_cast<size_t>(block.count) * sizeof(U));
    else
      for (int64_t i = 0; i < block.count; ++i) y[i * sy] = x[i * sx];
  }
}

}  // namespace

void unary(Unary op, const Array& x, const Array& y) {
  const DType type = compute_dtype(x.dtype);
  MapKernel kernel = type == DType::f32 ? simd_kernel(op) : nullptr;
  if (kernel == nullptr) kernel = plain_kernel(op, type);
  CHECK(kernel != nullptr, "{} does not take {}", name_of(op), name_of(x.dtype));
  map<2>({&x, &y}, {type, type}, kernel);
}

void binary(Binary op, const Array& a, const Array& b, const Array& y) {
  const DType type = compute_dtype(a.dtype);
  MapKernel kernel = type == DType::f32 ? simd_kernel(op) : nullptr;
  if (kernel == nullptr) kernel = plain_kernel(op, type);
  CHECK(kernel != nullptr, "{} does not take {}", name_of(op), name_of(a.dtype));
  map<3>({&a, &b, &y}, {type, type, is_comparison(op) ? DType::boolean : type}, kernel);
}

void activate(Activation activation, double alpha, double /*beta*/, const Array& x, const Array& y) {
  if (activation == Activation::none) return copy(x, y);
  const DType type = compute_dtype(x.dtype);
  MapKernel kernel = type == DType::f32 ? simd_kernel(activation) : plain_kernel(activation, type);
  CHECK(kernel != nullptr, "activations do not take {}", name_of(x.dtype));
  map<2>({&x, &y}, {type, type}, kernel, alpha);
}

void activation_grad(Activation activation, double alpha, const Array& x, const Array& g, const Array& dx) {
  const DType type = compute_dtype(x.dtype);
  MapKernel kernel = type == DType::f32 ? simd_gradient(activation) : plain_gradient(activation, type);
  CHECK(kernel != nullptr, "the activation has no gradient for {}", name_of(x.dtype));
  map<3>({&x, &g, &dx}, {type, type, type}, kernel, alpha);
}

void where(const Array& cond, const Array& a, const Array& b, const Array& y) {
  visit_size(y.dtype, [&]<class U>(U) {
    for_each_block<4>({&cond, &a, &b, &y}, [](const Block<4>& block) {
      for (int64_t r = 0; r < block.rows; ++r) where_row<U>(block, r);
    });
  });
}

void copy(const Array& x, const Array& y) {
  if (x.dtype == y.dtype) return visit_size(x.dtype, [&]<class U>(U) { for_each_block<2>({&x, &y}, copy_block<U>); });
  const Converter convert = converter(x.dtype, y.dtype);
  for_each_block<2>({&x, &y}, [convert](Block<2> block) {
    constexpr int64_t kShort = 8;
    if (block.count < kShort && block.rows > block.count) block.swap_loops();
    for (int64_t r = 0; r < block.rows; ++r)
      convert(block.row(0, r), block.stride[0], block.row(1, r), block.stride[1], block.count);
  });
}

void fill(const Array& y, double value) {
  uint64_t element = 0;
  converter(DType::f64, y.dtype)(&value, 1, &element, 1, 1);
  visit_size(y.dtype, [&]<class U>(U) {
    U typed;
    std::memcpy(&typed, &element, sizeof typed);
    for_each_block<1>({&y}, [typed](const Block<1>& block) {
      for (int64_t r = 0; r < block.rows; ++r) fill_row(block.row<U>(0, r), block.stride[0], block.count, typed);
    });
  });
}

std::string_view name_of(Unary op) {
  constexpr std::string_view kNames[] = {"neg", "abs",   "sign", "square",  "sqrt",  "rsqrt", "reciprocal",
                                         "exp", "expm1", "log",  "log1p",   "floor", "ceil",  "round",
                                         "sin", "cos",   "relu", "sigmoid", "tanh",  "erf",   "softplus"};
  return kNames[static_cast<size_t>(op)];
}

std::string_view name_of(Binary op) {
  constexpr std::string_view kNames[] = {"add", "sub", "mul", "div", "maximum", "minimum", "pow",
                                         "eq",  "ne",  "lt",  "le",  "gt",      "ge"};
  return kNames[static_cast<size_t>(op)];
}

}  // namespace ingot::kernels
