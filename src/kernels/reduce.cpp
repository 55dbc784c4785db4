#include "kernels/reduce.h"

#include <cmath>
#include <limits>
#include <vector>

#include "base/check.h"
#include "kernels/convert.h"
#include "kernels/dispatch.h"
#include "kernels/reduce_kernels.h"
#include "kernels/strided.h"

namespace ingot::kernels {
namespace {

template <class Acc>
Acc start_of(Reduce op) {
  using Limits = std::numeric_limits<Acc>;
  switch (op) {
    case Reduce::prod:
      return 1;
    case Reduce::max:
      return Limits::has_infinity ? -Limits::infinity() : Limits::min();
    case Reduce::min:
      return Limits::has_infinity ? Limits::infinity() : Limits::max();
    default:
      return 0;
  }
}

template <Reduce op, class Acc>
Acc combine(Acc a, Acc b) {
  if constexpr (op == Reduce::max) return b > a || b != b ? b : a;
  if constexpr (op == Reduce::min) return b < a || b != b ? b : a;
  if constexpr (std::is_integral_v<Acc>) {
    const auto ua = static_cast<uint64_t>(a), ub = static_cast<uint64_t>(b);
    return static_cast<Acc>(op == Reduce::prod ? ua * ub : ua + ub);
  } else {
    return op == Reduce::prod ? a * b : a + b;
  }
}

template <class T>
using AccOf = std::conditional_t<std::is_integral_v<T>, int64_t, double>;

template <Reduce op, class T>
void run(const void* x, int64_t outs, int64_t out_stride, int64_t n, int64_t stride, void* acc) {
  using Acc = AccOf<T>;
  const auto* from = static_cast<const T*>(x);
  auto* to = static_cast<Acc*>(acc);
  const auto take = [&](int64_t o, int64_t i) {
    to[o] = combine<op, Acc>(to[o], static_cast<Acc>(from[o * out_stride + i * stride]));
  };
  if (out_stride == 1 && stride != 1) {
    for (int64_t i = 0; i < n; ++i)
      for (int64_t o = 0; o < outs; ++o) take(o, i);
  } else {
    for (int64_t o = 0; o < outs; ++o)
      for (int64_t i = 0; i < n; ++i) take(o, i);
  }
}

template <class Acc>
void combine_all(Reduce op, Acc* into, const Acc* from, int64_t n) {
  const auto each = [&]<Reduce kOp>(std::integral_constant<Reduce, kOp>) {
    for (int64_t i = 0; i < n; ++i) into[i] = combine<kOp, Acc>(into[i], from[i]);
  };
  switch (op) {
    case Reduce::max:
      return each(std::integral_constant<Reduce, Reduce::max>());
    case Reduce::min:
      return each(std::integral_constant<Reduce, Reduce::min>());
    case Reduce::prod:
      return each(std::integral_constant<Reduce, Reduce::prod>());
    default:
      return each(std::integral_constant<Reduce, Reduce::sum>());
  }
}

template <class Acc>
class Reduction {
 public:
  Reduction(Reduce op, const Array& x, const Array& y, ReduceKernel kernel)
      : op_(op),
        kernel_(kernel),
        kept_({&y, &x}, LoopOrder::memory, ~reduced_dims(x, y)),
        reduced_({&x}, LoopOrder::memory, reduced_dims(x, y)) {
    CHECK(reduced_.numel() > 0 || op == Reduce::sum || op == Reduce::mean || op == Reduce::prod || kept_.numel() == 0,
          "{} of no elements", op == Reduce::max ? "max" : "min");
    const double divisor = op == Reduce::mean ? static_cast<double>(reduced_.numel()) : 1;
    store_ = visit_dtype(y.dtype, [&]<class T>(std::type_identity<T>) -> Store { return &Reduction::store<T>; });
    divisor_ = divisor;
  }

  void run() const {
    const int64_t outs = kept_.numel(), length = reduced_.numel();
    const int64_t segments = enough_outputs(outs) ? 1 : reduction_segments(outs * length, length);
    if (segments > 1) return run_segments(segments);
    parallel_for(outs, std::max<int64_t>(1, kGrain / std::max<int64_t>(length, 1)), [&](int64_t begin, int64_t end) {
      each_tile(begin, end, 0, length, [&](const Acc* acc, int64_t n, char* y, int64_t stride, int64_t) {
        store_(acc, n, y, stride, divisor_);
      });
    });
  }

 private:
  static constexpr int64_t kTile = 256;  // outputs whose accumulators are on the stack at once
  using Store = void (*)(const Acc* acc, int64_t n, char* y, int64_t stride, double divisor);

  static unsigned reduced_dims(const Array& x, const Array& y) {
    unsigned dims = 0;
    for (int d = 0; d < x.rank; ++d) dims |= unsigned{y.shape[d] == 1 && x.shape[d] != 1} << d;
    return dims;
  }
  // Columns need many of them for a thread to have whole cache lines of its own.
  bool enough_outputs(int64_t outs) const {
    constexpr int64_t kColumns = 4096, kRows = 16;
    return outs >= (kept_.inner_stride(1) == 1 ? kColumns : kRows);
  }

  // Reduces the elements [first, last) of the outputs [begin, end): done(acc, n, y, y's stride, output's position).
  template <class Done>
  void each_tile(int64_t begin, int64_t end, int64_t first, int64_t last, const Done& done) const {
    kept_.walk(begin, end, [&](const Block<2>& block) {
      for (int64_t r = 0; r < block.rows; ++r)
        for (int64_t at = 0; at < block.count; at += kTile) {
          const int64_t n = std::min(kTile, block.count - at);
          Acc acc[kTile];
          std::fill_n(acc, n, start_of<Acc>(op_));
          char* x = block.row(1, r) + at * block.stride[1] * block.element[1];
          reduced_.walk({x}, first, last, [&](const Block<1>& b) {
            for (int64_t q = 0; q < b.rows; ++q) kernel_(b.row(0, q), n, block.stride[1], b.count, b.stride[0], acc);
          });
          char* y = block.row(0, r) + at * block.stride[0] * block.element[0];
          done(acc, n, y, block.stride[0], block.position + r * block.count + at);
        }
    });
  }

  void run_segments(int64_t segments) const {
    const int64_t outs = kept_.numel(), length = reduced_.numel();
    std::vector<Acc> partial(static_cast<size_t>(segments * outs));
    parallel_parts(segments, [&](int64_t s) {
      each_tile(0, outs, length * s / segments, length * (s + 1) / segments,
                [&](const Acc* acc, int64_t n, char*, int64_t, int64_t position) {
                  std::copy_n(acc, n, partial.data() + s * outs + position);
                });
    });
    for (int64_t s = 1; s < segments; ++s) combine_all(op_, partial.data(), partial.data() + s * outs, outs);
    kept_.walk(0, outs, [&](const Block<2>& block) {
      for (int64_t r = 0; r < block.rows; ++r)
        store_(partial.data() + block.position + r * block.count, block.count, block.row(0, r), block.stride[0],
               divisor_);
    });
  }

  template <class T>
  static void store(const Acc* acc, int64_t n, char* y, int64_t stride, double divisor) {
    auto* to = reinterpret_cast<T*>(y);
    for (int64_t i = 0; i < n; ++i) {
      if constexpr (std::is_integral_v<Acc>)
        to[i * stride] = convert<T>(acc[i]);
      else
        to[i * stride] = convert<T>(acc[i] / divisor);
    }
  }

  Reduce op_;
  ReduceKernel kernel_;
  Store store_;
  double divisor_;
  StridedLoops<2> kept_;  // y, x
  StridedLoops<1> reduced_;
};

template <Reduce op>
ReduceKernel typed(DType dtype) {
  return visit_dtype(dtype, []<class T>(std::type_identity<T>) -> ReduceKernel {
    if constexpr (std::is_same_v<T, f16>)
      return nullptr;
    else
      return run<op, T>;
  });
}

template <class T>
bool beats(T x, T best) {
  return x > best || (x != x && best == best);
}

// The n elements of each of `outs` outputs; whichever lies closer in memory is the inner loop.
template <class T>
void argmax_tile(const T* x, int64_t outs, int64_t out_stride, int64_t n, int64_t stride, int64_t* index) {
  using C = ComputeType<T>;
  std::fill_n(index, outs, 0);
  const auto take = [&](int64_t o, int64_t i) {
    const T* row = x + o * out_stride;
    if (beats<C>(static_cast<C>(row[i * stride]), static_cast<C>(row[index[o] * stride]))) index[o] = i;
  };
  if (out_stride < stride) {
    for (int64_t i = 1; i < n; ++i)
      for (int64_t o = 0; o < outs; ++o) take(o, i);
  } else {
    for (int64_t o = 0; o < outs; ++o)
      for (int64_t i = 1; i < n; ++i) take(o, i);
  }
}

}  // namespace

ReduceKernel plain_kernel(Reduce op, DType dtype) {
  switch (op) {
    case Reduce::sum:
    case Reduce::mean:
      return typed<Reduce::sum>(dtype);
    case Reduce::max:
      return typed<Reduce::max>(dtype);
    case Reduce::min:
      return typed<Reduce::min>(dtype);
    case Reduce::prod:
      return typed<Reduce::prod>(dtype);
  }
  return nullptr;
}

void reduce(Reduce op, const Array& x, const Array& y) {
  ReduceKernel kernel = simd_kernel(op, x.dtype);
  if (kernel == nullptr) kernel = plain_kernel(op, x.dtype);
  const bool floating = is_floating(x.dtype);
  CHECK(kernel != nullptr && (floating || op != Reduce::mean), "reductions do not take {}", name_of(x.dtype));
  if (floating)
    Reduction<double>(op, x, y, kernel).run();
  else
    Reduction<int64_t>(op, x, y, kernel).run();
}

void argmax(const Array& x, int dim, const Array& y) {
  const int64_t n = x.shape[dim], stride = x.strides[dim];
  CHECK(n > 0, "argmax over dimension {}, which has no elements", dim);
  CHECK(x.dtype != DType::f16, "argmax does not take f16");
  const StridedLoops<2> kept({&y, &x}, LoopOrder::memory, ~(1u << dim));
  visit_dtype(x.dtype, [&]<class T>(std::type_identity<T>) {
    parallel_for(kept.numel(), std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
      kept.walk(begin, end, [&](const Block<2>& block) {
        constexpr int64_t kTile = 64;
        int64_t index[kTile];
        for (int64_t r = 0; r < block.rows; ++r)
          for (int64_t at = 0; at < block.count; at += kTile) {
            const int64_t outs = std::min(kTile, block.count - at);
            argmax_tile(block.row<T>(1, r) + at * block.stride[1], outs, block.stride[1], n, stride, index);
            int64_t* to = block.row<int64_t>(0, r) + at * block.stride[0];
            for (int64_t o = 0; o < outs; ++o) to[o * block.stride[0]] = index[o];
          }
      });
    });
  });
}

}  // namespace ingot::kernels
