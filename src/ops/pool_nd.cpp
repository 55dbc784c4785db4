#include <array>

#include "ops/ops.h"
#include "ops/rules.h"

// Pools of other ranks and kinds, all by the 2-D ones: windows are boxes, so a pool runs over two dimensions and then
// over the third. Equal maxima give the first place either way.
namespace ingot {
namespace {

PoolOptions along_width(const Pool1dOptions& o) {
  return {.kernel = {1, o.kernel},
          .stride = Pair{1, o.stride.value_or(o.kernel)},
          .padding = {0, o.padding, 0, o.padding},
          .dilation = {1, o.dilation},
          .ceil_mode = o.ceil_mode,
          .count_include_pad = o.count_include_pad};
}
PoolOptions over_planes(const Pool3dOptions& o) {
  const Triple stride = o.stride.value_or(o.kernel);
  return {.kernel = {o.kernel.h, o.kernel.w},
          .stride = Pair{stride.h, stride.w},
          .padding = {o.padding.h, o.padding.w, o.padding.h, o.padding.w},
          .dilation = {o.dilation.h, o.dilation.w},
          .ceil_mode = o.ceil_mode,
          .count_include_pad = o.count_include_pad};
}
PoolOptions over_depth(const Pool3dOptions& o) {
  return {.kernel = {o.kernel.d, 1},
          .stride = Pair{o.stride.value_or(o.kernel).d, 1},
          .padding = {o.padding.d, 0, o.padding.d, 0},
          .dilation = {o.dilation.d, 1},
          .ceil_mode = o.ceil_mode,
          .count_include_pad = o.count_include_pad};
}

void check(const Tensor& x, int64_t rank, std::string_view op, std::string_view shape) {
  CHECK(x.rank() == rank, "[{}] x must be {}, it is {}", op, shape, to_string(x.shape()));
}

/// f over the planes of [N,C,D,H,W] as [N,C*D,H,W], then g over the depth as [N,C,D,H*W].
template <class F, class G>
Tensor planes_then_depth(const Tensor& x, const F& f, const G& g) {
  const Dim n = x.shape()[0], c = x.shape()[1], d = x.shape()[2];
  const Tensor planes = f(flatten(x, 1, 2));
  const Dim h = planes.shape()[2], w = planes.shape()[3];
  const Tensor depths = g(reshape(planes, {n, c, d, h * w}));
  return reshape(depths, {n, c, depths.shape()[2], h, w});
}

/// The elements of a dimension so repeated that bins [floor(i*n/k), ceil((i+1)*n/k)) become windows of one length side
/// by side. A bin's last element fills it up.
Tensor even_bins(const Tensor& x, int64_t dim, int64_t bins, int64_t& length) {
  const int64_t size = x.size(dim);
  CHECK(size > 0, "[adaptive_max_pool] the planes of {} are empty", to_string(x.shape()));
  CHECK(bins >= 1, "[adaptive_max_pool] the output size {} must be at least 1", bins);
  length = size / bins;
  if (size % bins == 0) return x;
  const auto first = [&](int64_t i) { return i * size / bins; };
  const auto end = [&](int64_t i) { return ((i + 1) * size + bins - 1) / bins; };
  for (int64_t i = 0; i < bins; ++i) length = std::max(length, end(i) - first(i));
  std::vector<int64_t> index;
  for (int64_t i = 0; i < bins; ++i)
    for (int64_t k = 0; k < length; ++k) index.push_back(std::min(first(i) + k, end(i) - 1));
  return index_select(x, dim, from_vector(index, {static_cast<int64_t>(index.size())}));
}

// (sum x^p)^(1/p), the sums from averages as PyTorch takes them: a window cut by ceil_mode counts as if it were whole.
template <class Average>
Tensor lp_pool(const Tensor& x, double p, double window, const Average& average) {
  CHECK(p > 0, "[lp_pool] norm_type {} must be positive", p);
  return pow(average(pow(x, p)) * window, 1 / p);
}

}  // namespace

Tensor max_pool1d(const Tensor& x, const Pool1dOptions& o) {
  check(x, 3, "max_pool1d", "[N,C,L]");
  return squeeze(max_pool2d(unsqueeze(x, 2), along_width(o)), 2);
}
Tensor avg_pool1d(const Tensor& x, const Pool1dOptions& o) {
  check(x, 3, "avg_pool1d", "[N,C,L]");
  return squeeze(avg_pool2d(unsqueeze(x, 2), along_width(o)), 2);
}
Tensor max_pool3d(const Tensor& x, const Pool3dOptions& o) {
  check(x, 5, "max_pool3d", "[N,C,D,H,W]");
  return planes_then_depth(
      x, [&](const Tensor& t) { return max_pool2d(t, over_planes(o)); },
      [&](const Tensor& t) { return max_pool2d(t, over_depth(o)); });
}
Tensor avg_pool3d(const Tensor& x, const Pool3dOptions& o) {
  check(x, 5, "avg_pool3d", "[N,C,D,H,W]");
  return planes_then_depth(
      x, [&](const Tensor& t) { return avg_pool2d(t, over_planes(o)); },
      [&](const Tensor& t) { return avg_pool2d(t, over_depth(o)); });
}

Tensor adaptive_avg_pool1d(const Tensor& x, int64_t output) {
  check(x, 3, "adaptive_avg_pool1d", "[N,C,L]");
  return squeeze(adaptive_avg_pool2d(unsqueeze(x, 2), {1, output}), 2);
}
Tensor adaptive_avg_pool3d(const Tensor& x, Triple output) {
  check(x, 5, "adaptive_avg_pool3d", "[N,C,D,H,W]");
  return planes_then_depth(
      x, [&](const Tensor& t) { return adaptive_avg_pool2d(t, {output.h, output.w}); },
      [&](const Tensor& t) { return adaptive_avg_pool2d(t, {output.d, output.h * output.w}); });
}

Tensor adaptive_max_pool2d(const Tensor& x, Pair output) {
  check(x, 4, "adaptive_max_pool2d", "[N,C,H,W]");
  Pair window;
  const Tensor rows = even_bins(x, 2, output.h, window.h);
  const Tensor bins = even_bins(rows, 3, output.w, window.w);
  return max_pool2d(bins, {.kernel = window});
}
Tensor adaptive_max_pool1d(const Tensor& x, int64_t output) {
  check(x, 3, "adaptive_max_pool1d", "[N,C,L]");
  return squeeze(adaptive_max_pool2d(unsqueeze(x, 2), {1, output}), 2);
}
Tensor adaptive_max_pool3d(const Tensor& x, Triple output) {
  check(x, 5, "adaptive_max_pool3d", "[N,C,D,H,W]");
  return planes_then_depth(
      x, [&](const Tensor& t) { return adaptive_max_pool2d(t, {output.h, output.w}); },
      [&](const Tensor& t) { return adaptive_max_pool2d(t, {output.d, output.h * output.w}); });
}

Tensor lp_pool1d(const Tensor& x, double norm_type, const Pool1dOptions& o) {
  return lp_pool(x, norm_type, static_cast<double>(o.kernel), [&](const Tensor& t) { return avg_pool1d(t, o); });
}
Tensor lp_pool2d(const Tensor& x, double norm_type, const PoolOptions& o) {
  return lp_pool(x, norm_type, static_cast<double>(o.kernel.h * o.kernel.w),
                 [&](const Tensor& t) { return avg_pool2d(t, o); });
}

}  // namespace ingot
