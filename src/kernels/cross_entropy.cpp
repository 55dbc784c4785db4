#include "kernels/cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/check.h"
#include "kernels/convert.h"
#include "kernels/dispatch.h"
#include "kernels/softmax_kernels.h"
#include "kernels/strided.h"

namespace ingot::kernels {
namespace {

constexpr int kClasses = 1;

void log_sum_plain(const double* x, int64_t n, double* max, double* log_sum) {
  *max = *std::max_element(x, x + n);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += std::exp(x[i] - *max);
  *log_sum = std::log(sum);
}

double weighted_plain(const double* x, const double* weight, int64_t n, double max, double log_sum) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += (log_sum - (x[i] - max)) * (weight ? weight[i] : 1);
  return sum;
}

void grad_plain(const double* x, const double* weight, int64_t n, double max, double log_sum, double of_share,
                double of_weight, double* dx) {
  for (int64_t i = 0; i < n; ++i)
    dx[i] = std::exp(x[i] - max - log_sum) * of_share - (weight ? weight[i] : 1) * of_weight;
}

template <class T>
const CrossEntropyKernels<T>& kernels_of() {
  if constexpr (std::is_same_v<T, double>)
    return plain_cross_entropy();
  else
    return simd_cross_entropy();
}

/// [N,d...] as [N,1,d...]; its dimension 1 is never looped over.
Array with_classes(const Array& a) {
  Array out = a;
  ++out.rank;
  std::copy(a.shape.begin() + kClasses, a.shape.begin() + a.rank, out.shape.begin() + kClasses + 1);
  std::copy(a.strides.begin() + kClasses, a.strides.begin() + a.rank, out.strides.begin() + kClasses + 1);
  out.shape[kClasses] = 1;
  out.strides[kClasses] = 0;
  return out;
}

/// What the lines have in common; T is what elements are computed in.
template <class T>
class Classes {
 public:
  Classes(const Array& x, const Array& weight, const CrossEntropy& options)
      : count_(x.shape[kClasses]), options_(options), weights_(weight ? static_cast<size_t>(count_) : 0) {
    if (weight && count_ > 0)
      converter(weight.dtype, dtype_of<T>)(weight.data, weight.strides[0], weights_.data(), 1, count_);
    total_weight_ = weight ? std::accumulate(weights_.begin(), weights_.end(), 0.0) : static_cast<double>(count_);
  }

  bool ignores(int64_t target) const {
    if (target == options_.ignore_index) return true;
    CHECK(target >= 0 && target < count_, "the target {} is outside [0, {})", target, count_);
    return false;
  }
  int64_t count() const { return count_; }
  const T* weights() const { return weights_.empty() ? nullptr : weights_.data(); }
  double weight(int64_t target) const { return weights_.empty() ? 1 : double(weights_[static_cast<size_t>(target)]); }
  double total_weight() const { return total_weight_; }
  double of_target() const { return 1 - options_.smoothing; }
  double of_each() const { return options_.smoothing / static_cast<double>(count_); }

 private:
  int64_t count_;
  CrossEntropy options_;
  std::vector<T> weights_;
  double total_weight_ = 0;
};

/// A line of E along the classes as a run of T: itself, or a buffer that is converted.
template <class E, class T>
class Line {
 public:
  Line(E* at, int64_t stride, int64_t n, std::vector<T>& buffer) : at_(at), stride_(stride), n_(n), buffer_(buffer) {
    if (direct()) return;
    buffer_.resize(static_cast<size_t>(n));
  }
  const T* read() const {
    if constexpr (std::is_same_v<E, T>)
      if (direct()) return at_;
    converter(dtype_of<E>, dtype_of<T>)(at_, stride_, buffer_.data(), 1, n_);
    return buffer_.data();
  }
  T* target() const {
    if constexpr (std::is_same_v<E, T>)
      if (direct()) return at_;
    return buffer_.data();
  }
  void commit() const {
    if (!direct()) converter(dtype_of<T>, dtype_of<E>)(buffer_.data(), 1, at_, stride_, n_);
  }

 private:
  bool direct() const { return std::is_same_v<E, T> && (stride_ == 1 || n_ == 1); }

  E* at_;
  int64_t stride_, n_;
  std::vector<T>& buffer_;
};

/// A line of each array.
template <int N>
struct Place {
  const Block<N>& block;
  int64_t row, i;

  template <class P>
  P* at(int array) const {
    return block.template row<P>(array, row) + i * block.stride[array];
  }
};

/// Calls body(place, two buffers) for each line; the lines are spread over the threads.
template <class T, int N, class Body>
void for_lines(const std::array<const Array*, N>& arrays, int64_t classes, const Body& body) {
  constexpr int64_t kCostly = 4;  // an exponential is several memory accesses' worth
  const StridedLoops<N> lines(arrays, LoopOrder::memory, ~(1u << kClasses));
  const int64_t grain = std::max<int64_t>(1, kGrain / kCostly / std::max<int64_t>(1, classes));
  parallel_for(lines.numel(), grain, [&](int64_t begin, int64_t end) {
    std::vector<T> first, second;
    lines.walk(begin, end, [&](const Block<N>& block) {
      for (int64_t r = 0; r < block.rows; ++r)
        for (int64_t i = 0; i < block.count; ++i) body(Place<N>{block, r, i}, first, second);
    });
  });
}

template <class E>
void forward(const Array& x, const Array& target, const Array& class_weight, const CrossEntropy& options,
             const Array& loss, const Array& weight, const Array& max, const Array& log_sum) {
  using T = ComputeType<E>;
  const Classes<T> classes(x, class_weight, options);
  const auto& kernels = kernels_of<T>();
  const int64_t n = classes.count();
  const bool saves = static_cast<bool>(max);
  const Array t = with_classes(target), l = with_classes(loss), w = with_classes(weight);
  const Array m = saves ? with_classes(max) : l, s = saves ? with_classes(log_sum) : l;
  for_lines<T, 6>({&t, &l, &w, &m, &s, &x}, n, [&](const Place<6>& place, auto& buffer, auto&) {
    const int64_t label = *place.template at<int64_t>(0);
    const bool ignored = classes.ignores(label);
    double sum = 0;
    T line_max = 0, line_log_sum = 0;
    if (!ignored) {
      const T* scores = Line<E, T>(place.template at<E>(5), x.strides[kClasses], n, buffer).read();
      kernels.log_sum(scores, n, &line_max, &line_log_sum);
      sum = classes.of_target() * classes.weight(label) *
            (double(line_log_sum) - (double(scores[label]) - double(line_max)));
      if (options.smoothing > 0)
        sum += classes.of_each() * kernels.weighted(scores, classes.weights(), n, line_max, line_log_sum);
    }
    *place.template at<E>(1) = E(static_cast<T>(sum));
    *place.template at<E>(2) = E(static_cast<T>(ignored ? 0 : classes.weight(label)));
    if (!saves) return;
    *place.template at<T>(3) = line_max;
    *place.template at<T>(4) = line_log_sum;
  });
}

template <class E>
void backward(const Array& x, const Array& target, const Array& class_weight, const Array& max, const Array& log_sum,
              const Array& g, const CrossEntropy& options, const Array& dx) {
  using T = ComputeType<E>;
  const Classes<T> classes(x, class_weight, options);
  const auto& kernels = kernels_of<T>();
  const int64_t n = classes.count();
  const Array t = with_classes(target), m = with_classes(max), s = with_classes(log_sum), gradient = with_classes(g);
  for_lines<T, 6>({&t, &m, &s, &gradient, &x, &dx}, n, [&](const Place<6>& place, auto& buffer, auto& result) {
    const int64_t label = *place.template at<int64_t>(0);
    const Line<E, T> out(place.template at<E>(5), dx.strides[kClasses], n, result);
    T* line = out.target();
    if (classes.ignores(label)) {
      std::fill_n(line, n, T(0));
      return out.commit();
    }
    const auto grad = double(T(*place.template at<E>(3)));
    const double of_target = grad * classes.of_target() * classes.weight(label);
    const double of_each = grad * classes.of_each();
    const T* scores = Line<E, T>(place.template at<E>(4), x.strides[kClasses], n, buffer).read();
    kernels.grad(scores, classes.weights(), n, *place.template at<T>(1), *place.template at<T>(2),
                 static_cast<T>(of_target + of_each * classes.total_weight()), static_cast<T>(of_each), line);
    line[label] -= static_cast<T>(of_target);
    out.commit();
  });
}

}  // namespace

const CrossEntropyKernels<double>& plain_cross_entropy() {
  static constexpr CrossEntropyKernels<double> kTable{log_sum_plain, weighted_plain, grad_plain};
  return kTable;
}

void cross_entropy(const Array& x, const Array& target, const Array& class_weight, const CrossEntropy& options,
                   const Array& loss, const Array& weight, const Array& max, const Array& log_sum) {
  visit_floating(x.dtype, [&]<class E>(std::type_identity<E>) {
    forward<E>(x, target, class_weight, options, loss, weight, max, log_sum);
  });
}

void cross_entropy_grad(const Array& x, const Array& target, const Array& class_weight, const Array& max,
                        const Array& log_sum, const Array& g, const CrossEntropy& options, const Array& dx) {
  visit_floating(x.dtype, [&]<class E>(std::type_identity<E>) {
    backward<E>(x, target, class_weight, max, log_sum, g, options, dx);
  });
}

}  // namespace ingot::kernels
