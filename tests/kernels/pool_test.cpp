#include "kernels/pool.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/parallel.h"
#include "kernels/reference.h"

namespace ingot::kernels {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Shape {
  int64_t batch, channels, height, width;
  AvgPoolGeometry geometry;
  bool ceil_mode = false;
};

std::ostream& operator<<(std::ostream& out, const Shape& s) {
  const auto& g = s.geometry;
  return out << s.batch << "x" << s.channels << "x" << s.height << "x" << s.width << " kernel " << g.kernel.h << ","
             << g.kernel.w << " stride " << g.stride.h << "," << g.stride.w << " dilation " << g.dilation.h << ","
             << g.dilation.w << " pads " << g.padding.top << "," << g.padding.left << "," << g.padding.bottom << ","
             << g.padding.right << (s.ceil_mode ? " ceil" : "") << (g.count_include_pad ? "" : " without padding");
}

AvgPoolGeometry window(Pair kernel, Pair stride, Pads padding = {}, Pair dilation = {}) {
  return {{.kernel = kernel, .stride = stride, .dilation = dilation, .padding = padding}};
}

AvgPoolGeometry not_counting(AvgPoolGeometry geometry) {
  geometry.count_include_pad = false;
  return geometry;
}

AvgPoolGeometry divided_by(AvgPoolGeometry geometry, int64_t divisor) {
  geometry.divisor_override = divisor;
  return geometry;
}

const Shape kShapes[] = {
    {2, 3, 14, 14, window(2, 2)},
    {1, 17, 13, 17, window(3, 2, 1)},
    {2, 64, 7, 14, window(3, 2, 1), true},
    {3, 5, 7, 7, window(3, 1, 1)},
    {1, 33, 14, 13, window({3, 2}, {2, 3}, {0, 0, 1, 1})},
    {2, 16, 5, 5, window(2, 2), true},
    {2, 7, 13, 13, window(3, 2, {1, 0, 0, 1}), true},
    {1, 1, 1, 1, window(1, 1)},
    {1, 13, 7, 7, window(7, 1)},
    {2, 9, 13, 14, not_counting(window(3, 2, 1)), true},
    {2, 9, 5, 7, not_counting(window(2, 3, {0, 0, 1, 1}))},
    {1, 20, 7, 7, divided_by(window(2, 2, 1), 3)},
    {1, 6, 3, 3, window(2, 1, {3, 0, 3, 0})},
    {0, 4, 7, 7, window(2, 2)},
};

int64_t extent(int64_t size, int64_t begin, int64_t end, int64_t kernel, int64_t stride, int64_t dilation,
               bool ceil_mode) {
  const int64_t span = size + begin + end - dilation * (kernel - 1) - 1;
  const int64_t outputs = (span + (ceil_mode ? stride - 1 : 0)) / stride + 1;
  return ceil_mode && (outputs - 1) * stride >= size + begin ? outputs - 1 : outputs;  // the last starts inside
}

std::vector<int64_t> x_dims(const Shape& s) { return {s.batch, s.channels, s.height, s.width}; }
std::vector<int64_t> y_dims(const Shape& s) {
  const auto& g = s.geometry;
  return {s.batch, s.channels,
          extent(s.height, g.padding.top, g.padding.bottom, g.kernel.h, g.stride.h, g.dilation.h, s.ceil_mode),
          extent(s.width, g.padding.left, g.padding.right, g.kernel.w, g.stride.w, g.dilation.w, s.ceil_mode)};
}

/// Values of a Box, by place.
struct Plane {
  std::vector<double> values;
  int64_t height, width;
  Plane(const Box& box) : values(box.values()), height(box.array().shape[2]), width(box.array().shape[3]) {}
  double at(int64_t plane, int64_t h, int64_t w) const { return values[(plane * height + h) * width + w]; }
};

/// f(plane, i, j) for each output of `box`, in row-major order.
template <class F>
void each_output(const Box& box, F f) {
  const auto& s = box.array().shape;
  for (int64_t plane = 0; plane < s[0] * s[1]; ++plane)
    for (int64_t i = 0; i < s[2]; ++i)
      for (int64_t j = 0; j < s[3]; ++j) f(plane, i, j);
}

void max_reference(const Box& x, const PoolGeometry& g, Box& y, Box& index) {
  const Plane in(x);
  std::vector<double> best, places;
  each_output(y, [&](int64_t plane, int64_t i, int64_t j) {
    best.push_back(-kInf);
    places.push_back(-1);
    for (int64_t u = 0; u < g.kernel.h; ++u)
      for (int64_t v = 0; v < g.kernel.w; ++v) {
        const int64_t h = i * g.stride.h - g.padding.top + u * g.dilation.h;
        const int64_t w = j * g.stride.w - g.padding.left + v * g.dilation.w;
        if (h < 0 || w < 0 || h >= in.height || w >= in.width) continue;
        const double value = in.at(plane, h, w);
        if (places.back() < 0 || value > best.back() || std::isnan(value)) {
          best.back() = value;
          places.back() = static_cast<double>(h * in.width + w);
        }
      }
  });
  y.assign(best);
  index.assign(places);
}

/// The divisor and the places of an average, as PyTorch's documentation gives them.
struct AverageWindow {
  std::vector<std::pair<int64_t, int64_t>> places;
  double divisor;
};

AverageWindow average_window(const AvgPoolGeometry& g, int64_t height, int64_t width, int64_t i, int64_t j) {
  AverageWindow window;
  int64_t counted = 0;
  for (int64_t u = 0; u < g.kernel.h; ++u)
    for (int64_t v = 0; v < g.kernel.w; ++v) {
      const int64_t h = i * g.stride.h - g.padding.top + u, w = j * g.stride.w - g.padding.left + v;
      if (h >= 0 && w >= 0 && h < height && w < width) window.places.emplace_back(h, w);
      if (h < height + g.padding.bottom && w < width + g.padding.right) ++counted;
    }
  window.divisor = static_cast<double>(g.divisor_override != 0 ? g.divisor_override
                                       : g.count_include_pad   ? counted
                                                               : static_cast<int64_t>(window.places.size()));
  return window;
}

AverageWindow adaptive_window(int64_t height, int64_t width, int64_t out_h, int64_t out_w, int64_t i, int64_t j) {
  const auto edges = [](int64_t k, int64_t size, int64_t outputs) {
    return std::pair{static_cast<int64_t>(std::floor(double(k * size) / double(outputs))),
                     static_cast<int64_t>(std::ceil(double((k + 1) * size) / double(outputs)))};
  };
  AverageWindow window;
  const auto rows = edges(i, height, out_h), columns = edges(j, width, out_w);
  for (int64_t h = rows.first; h < rows.second; ++h)
    for (int64_t w = columns.first; w < columns.second; ++w) window.places.emplace_back(h, w);
  window.divisor = static_cast<double>(window.places.size());
  return window;
}

using WindowOf = std::function<AverageWindow(int64_t, int64_t)>;

void average_reference(const Box& x, const WindowOf& window_of, Box& y) {
  const Plane in(x);
  std::vector<double> values;
  each_output(y, [&](int64_t plane, int64_t i, int64_t j) {
    const AverageWindow window = window_of(i, j);
    double sum = 0;
    for (const auto& [h, w] : window.places) sum += in.at(plane, h, w);
    values.push_back(window.places.empty() ? 0 : sum / window.divisor);
  });
  y.assign(values);
}

void average_grad_reference(const Box& g, const WindowOf& window_of, Box& dx) {
  const Plane out(g);
  const auto& s = dx.array().shape;
  std::vector<double> values(dx.array().numel());
  each_output(g, [&](int64_t plane, int64_t i, int64_t j) {
    const AverageWindow window = window_of(i, j);
    for (const auto& [h, w] : window.places)
      values[(plane * s[2] + h) * s[3] + w] += out.at(plane, i, j) / window.divisor;
  });
  dx.assign(values);
}

constexpr Layout kLayouts[] = {Layout::channels_last, Layout::row_major, Layout::channel_slice, Layout::transposed};
constexpr DType kTypes[] = {DType::f32, DType::f64, DType::bf16};

/// f(shape, dtype, layout) for every combination.
template <class F>
void each_case(F f) {
  for (const Shape& shape : kShapes)
    for (const DType dtype : kTypes)
      for (const Layout layout : kLayouts) {
        SCOPED_TRACE(testing::Message() << shape << " " << name_of(dtype) << " " << name_of(layout));
        f(shape, dtype, layout);
      }
}

void check_max(const Shape& shape, DType dtype, Layout layout) {
  const Box x = std::move(Box(dtype, x_dims(shape), layout).randomize(1));
  Box y(dtype, y_dims(shape), layout), plain(dtype, y_dims(shape), layout), expected(dtype, y_dims(shape));
  Box index(DType::i32, y_dims(shape), layout), expected_index(DType::i32, y_dims(shape));
  max_pool2d(x, shape.geometry, y, index);
  max_reference(x, shape.geometry, expected, expected_index);
  EXPECT_EQ(y.values(), expected.values());
  EXPECT_EQ(index.values(), expected_index.values());
  max_pool2d(x, shape.geometry, plain, {});
  EXPECT_EQ(plain.values(), expected.values());
  EXPECT_TRUE(y.guards_hold() && index.guards_hold() && plain.guards_hold());
}

TEST(MaxPool2d, MatchesThePlainKernel) {
  each_case([](const Shape& shape, DType dtype, Layout layout) { check_max(shape, dtype, layout); });
}

TEST(MaxPool2d, Dilates) {
  for (const DType dtype : kTypes)
    for (const Layout layout : kLayouts)
      check_max({2, 19, 13, 17, window(3, {1, 2}, {2, 1, 2, 1}, {2, 3})}, dtype, layout);
}

// The first of equals; the last NaN of a window, and none beats it.
TEST(MaxPool2d, TiesAndNanAreAsInPyTorch) {
  constexpr int64_t kChannels = 19;  // vectors and a rest
  for (const DType dtype : kTypes) {
    std::vector<double> values;
    for (int64_t c = 0; c < kChannels; ++c)
      for (const double v : {2., 5., 1., 5., kNan, 3., kNan, 7., -kInf, -kInf, -kInf, -kInf}) values.push_back(v);
    const Box x = std::move(Box(dtype, {1, kChannels, 1, 12}, Layout::channels_last).assign(values));
    const Box y(dtype, {1, kChannels, 1, 3}, Layout::channels_last), index(DType::i32, {1, kChannels, 1, 3});
    max_pool2d(x, window({1, 4}, {1, 4}), y, index);
    const auto got = y.values(), places = index.values();
    for (int64_t c = 0; c < kChannels; ++c) {
      EXPECT_EQ(got[c * 3], 5);
      EXPECT_TRUE(std::isnan(got[c * 3 + 1]));
      EXPECT_EQ(got[c * 3 + 2], -kInf);
      EXPECT_EQ(std::vector<double>(places.begin() + c * 3, places.begin() + c * 3 + 3),
                (std::vector<double>{1, 6, 8}));
    }
  }
}

void check_max_grad(const Shape& shape, DType dtype, Layout layout) {
  const Box x = std::move(Box(dtype, x_dims(shape), layout).randomize(1));
  const Box g = std::move(Box(dtype, y_dims(shape), layout).randomize(2));
  const Box y(dtype, y_dims(shape)), index(DType::i32, y_dims(shape), layout), dx(dtype, x_dims(shape), layout);
  max_pool2d(x, shape.geometry, y, index);
  max_pool2d_grad(g, index, shape.geometry, dx);
  Box expected(dtype, x_dims(shape));
  std::vector<double> sums(expected.array().numel());
  const auto gradients = g.values(), places = index.values();
  const int64_t out_plane = y.array().shape[2] * y.array().shape[3], plane = shape.height * shape.width;
  for (size_t i = 0; i < places.size(); ++i)
    if (places[i] >= 0)
      sums[static_cast<int64_t>(i) / out_plane * plane + static_cast<int64_t>(places[i])] += gradients[i];
  expected.assign(sums);
  expect_close(dx, expected, 9);
}

TEST(MaxPool2d, GradientGoesToTheIndex) {
  each_case(check_max_grad);
  for (const DType dtype : kTypes)
    for (const Layout layout : kLayouts)
      check_max_grad({2, 19, 13, 17, window(3, {1, 2}, {2, 1, 2, 1}, {2, 3})}, dtype, layout);
}

TEST(MaxPool2d, IndicesOutsideTheirWindowsCountNowhere) {
  const Box g = std::move(Box(DType::f32, {1, 17, 2, 2}, Layout::channels_last).randomize(1));
  Box index(DType::i32, {1, 17, 2, 2}, Layout::channels_last), dx(DType::f32, {1, 17, 4, 4}, Layout::channels_last);
  for (const double place : {-1.0, 16.0, 2147483647.0, -2147483648.0}) {
    index.assign(std::vector<double>(17 * 4, place));
    max_pool2d_grad(g, index, window(2, 2), dx);
    EXPECT_EQ(dx.values(), std::vector<double>(17 * 16, 0)) << place;
  }
}

TEST(AvgPool2d, MatchesThePlainKernel) {
  each_case([](const Shape& shape, DType dtype, Layout layout) {
    const auto& geometry = shape.geometry;
    const auto window_of = [&](int64_t i, int64_t j) {
      return average_window(geometry, shape.height, shape.width, i, j);
    };
    const Box x = std::move(Box(dtype, x_dims(shape), layout).randomize(1));
    const Box g = std::move(Box(dtype, y_dims(shape), layout).randomize(2));
    Box y(dtype, y_dims(shape), layout), expected(dtype, y_dims(shape));
    avg_pool2d(x, geometry, y);
    average_reference(x, window_of, expected);
    expect_close(y, expected, 1);
    Box dx(dtype, x_dims(shape), layout), dx_expected(dtype, x_dims(shape));
    avg_pool2d_grad(g, geometry, dx);
    average_grad_reference(g, window_of, dx_expected);
    expect_close(dx, dx_expected, 4);
  });
}

TEST(AdaptiveAvgPool2d, MatchesThePlainKernel) {
  for (const auto& [out_h, out_w] : {std::pair{1, 1}, {2, 3}, {5, 7}, {7, 7}, {17, 20}})
    each_case([&](const Shape& shape, DType dtype, Layout layout) {
      const auto window_of = [&](int64_t i, int64_t j) {
        return adaptive_window(shape.height, shape.width, out_h, out_w, i, j);
      };
      const std::vector<int64_t> dims{shape.batch, shape.channels, out_h, out_w};
      const Box x = std::move(Box(dtype, x_dims(shape), layout).randomize(1));
      const Box g = std::move(Box(dtype, dims, layout).randomize(2));
      Box y(dtype, dims, layout), expected(dtype, dims);
      adaptive_avg_pool2d(x, y);
      average_reference(x, window_of, expected);
      expect_close(y, expected, 1);
      Box dx(dtype, x_dims(shape), layout), dx_expected(dtype, x_dims(shape));
      adaptive_avg_pool2d_grad(g, dx);
      average_grad_reference(g, window_of, dx_expected);
      expect_close(dx, dx_expected, 16);
    });
}

TEST(Pool, SameBitsForAnyThreadCount) {
  const int threads = num_threads();
  const Shape shape{1, 131, 17, 13, window(3, 2, 1)};
  const Box x = std::move(Box(DType::f32, x_dims(shape), Layout::channels_last).randomize(1));
  const Box g = std::move(Box(DType::f32, y_dims(shape), Layout::channels_last).randomize(2));
  std::vector<std::vector<double>> results;
  for (const int count : {1, 2, 3}) {
    set_num_threads(count);
    const Box y(DType::f32, y_dims(shape)), index(DType::i32, y_dims(shape)), global(DType::f32, {1, 131, 1, 1});
    const Box max_dx(DType::f32, x_dims(shape)), avg_dx(DType::f32, x_dims(shape), Layout::channels_last);
    max_pool2d(x, shape.geometry, y, index);
    max_pool2d_grad(g, index, shape.geometry, max_dx);
    avg_pool2d_grad(g, shape.geometry, avg_dx);
    adaptive_avg_pool2d(x, global);
    std::vector<double> all;
    for (const Box* box : {&y, &index, &max_dx, &avg_dx, &global})
      for (const double v : box->values()) all.push_back(v);
    results.push_back(all);
  }
  set_num_threads(threads);
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

}  // namespace
}  // namespace ingot::kernels
