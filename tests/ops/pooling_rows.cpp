#include <algorithm>
#include <cmath>

#include "ops/op_row.h"

namespace ingot::test {
namespace {

using Index = std::vector<int64_t>;

struct Window {
  int64_t first, last;  // in the input, clipped
  int64_t counted;      // with the padding that the window covers, as count_include_pad wants it
};

Window window(int64_t i, int64_t size, int64_t kernel, int64_t stride, int64_t before, int64_t after) {
  const int64_t start = i * stride - before, end = std::min(start + kernel, size + after);
  return {std::max<int64_t>(start, 0), std::min(end, size), end - start};
}

int64_t out_size(int64_t size, int64_t kernel, int64_t stride, int64_t dilation, int64_t before, int64_t after,
                 bool ceil_mode) {
  const int64_t span = size + before + after - dilation * (kernel - 1) - 1;
  int64_t out = (ceil_mode ? span + stride - 1 : span) / stride + 1;
  if (ceil_mode && (out - 1) * stride >= size + before) --out;
  return out;
}

Index pooled_shape(const Plain& x, const PoolOptions& o) {
  const Pair s = o.stride.value_or(o.kernel);
  return {x.shape[0], x.shape[1],
          out_size(x.shape[2], o.kernel.h, s.h, o.dilation.h, o.padding.top, o.padding.bottom, o.ceil_mode),
          out_size(x.shape[3], o.kernel.w, s.w, o.dilation.w, o.padding.left, o.padding.right, o.ceil_mode)};
}

Plain plain_max(const Plain& x, const PoolOptions& o) {
  const Pair s = o.stride.value_or(o.kernel);
  return build(pooled_shape(x, o), [&](const Index& i) {
    double most = -INFINITY;
    for (int64_t u = 0; u < o.kernel.h; ++u)
      for (int64_t v = 0; v < o.kernel.w; ++v) {
        const int64_t h = i[2] * s.h + u * o.dilation.h - o.padding.top,
                      w = i[3] * s.w + v * o.dilation.w - o.padding.left;
        if (h >= 0 && h < x.shape[2] && w >= 0 && w < x.shape[3]) most = std::max(most, x.at({i[0], i[1], h, w}));
      }
    return most;
  });
}

Plain plain_avg(const Plain& x, const PoolOptions& o) {
  const Pair s = o.stride.value_or(o.kernel);
  return build(pooled_shape(x, o), [&](const Index& i) {
    const Window rows = window(i[2], x.shape[2], o.kernel.h, s.h, o.padding.top, o.padding.bottom);
    const Window columns = window(i[3], x.shape[3], o.kernel.w, s.w, o.padding.left, o.padding.right);
    double total = 0;
    for (int64_t h = rows.first; h < rows.last; ++h)
      for (int64_t w = columns.first; w < columns.last; ++w) total += x.at({i[0], i[1], h, w});
    const int64_t inside = (rows.last - rows.first) * (columns.last - columns.first);
    return total / static_cast<double>(o.count_include_pad ? rows.counted * columns.counted : inside);
  });
}

Plain plain_adaptive(const Plain& x, Pair out) {
  return build({x.shape[0], x.shape[1], out.h, out.w}, [&](const Index& i) {
    const int64_t h0 = i[2] * x.shape[2] / out.h, h1 = ((i[2] + 1) * x.shape[2] + out.h - 1) / out.h;
    const int64_t w0 = i[3] * x.shape[3] / out.w, w1 = ((i[3] + 1) * x.shape[3] + out.w - 1) / out.w;
    double total = 0;
    for (int64_t h = h0; h < h1; ++h)
      for (int64_t w = w0; w < w1; ++w) total += x.at({i[0], i[1], h, w});
    return total / static_cast<double>((h1 - h0) * (w1 - w0));
  });
}

Plain plain_adaptive_max(const Plain& x, Pair out) {
  return build({x.shape[0], x.shape[1], out.h, out.w}, [&](const Index& i) {
    const int64_t h0 = i[2] * x.shape[2] / out.h, h1 = ((i[2] + 1) * x.shape[2] + out.h - 1) / out.h;
    const int64_t w0 = i[3] * x.shape[3] / out.w, w1 = ((i[3] + 1) * x.shape[3] + out.w - 1) / out.w;
    double most = -INFINITY;
    for (int64_t h = h0; h < h1; ++h)
      for (int64_t w = w0; w < w1; ++w) most = std::max(most, x.at({i[0], i[1], h, w}));
    return most;
  });
}

OpRow pool(std::string name, std::function<Tensor(const Tensor&)> run, std::function<Plain(const Plain&)> reference) {
  return {.name = std::move(name),
          .inputs = {Input{2, 5, 7, 6}},
          .run = [run](const Tensors& in) { return Tensors{run(in[0])}; },
          .reference = [reference](const std::vector<Plain>& in) { return std::vector{reference(in[0])}; },
          .tolerance = 2};
}

OpRow max_row(std::string name, PoolOptions o) {
  return pool(
      std::move(name), [o](const Tensor& x) { return max_pool2d(x, o); },
      [o](const Plain& x) { return plain_max(x, o); });
}
OpRow avg_row(std::string name, PoolOptions o) {
  return pool(
      std::move(name), [o](const Tensor& x) { return avg_pool2d(x, o); },
      [o](const Plain& x) { return plain_avg(x, o); });
}
OpRow adaptive_row(std::string name, Pair out) {
  return pool(
      std::move(name), [out](const Tensor& x) { return adaptive_avg_pool2d(x, out); },
      [out](const Plain& x) { return plain_adaptive(x, out); });
}

}  // namespace

std::vector<OpRow> pooling_rows() {
  return {
      max_row("max_pool2d", {}),
      max_row("max_pool2d_overlapping", {.kernel = 3, .stride = 2, .padding = 1}),
      max_row("max_pool2d_dilated_ceil",
              {.kernel = {3, 2}, .stride = Pair{2, 1}, .dilation = {2, 3}, .ceil_mode = true}),
      avg_row("avg_pool2d", {.kernel = 2}),
      avg_row("avg_pool2d_padded", {.kernel = 3, .stride = 2, .padding = 1}),
      avg_row("avg_pool2d_inside_ceil",
              {.kernel = 3, .stride = 2, .padding = {1, 0, 1, 1}, .ceil_mode = true, .count_include_pad = false}),
      adaptive_row("adaptive_avg_pool2d", {3, 4}),
      adaptive_row("global_avg_pool2d", 1),
      pool(
          "adaptive_max_pool2d", [](const Tensor& x) { return adaptive_max_pool2d(x, {3, 4}); },
          [](const Plain& x) { return plain_adaptive_max(x, {3, 4}); }),
      pool(
          "max_pool3d",
          [](const Tensor& x) {
            return flatten(max_pool3d(unsqueeze(x, 1), {.kernel = {2, 3, 2}, .stride = Triple(1, 2, 2)}), 1, 2);
          },
          [](const Plain& x) {
            const Plain planes = plain_max(x, {.kernel = {3, 2}, .stride = Pair(2)});
            return build({x.shape[0], x.shape[1] - 1, planes.shape[2], planes.shape[3]}, [&](const Index& i) {
              return std::max(planes.at(i), planes.at({i[0], i[1] + 1, i[2], i[3]}));
            });
          }),
  };
}

}  // namespace ingot::test
