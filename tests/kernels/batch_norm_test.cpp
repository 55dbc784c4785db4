#include "kernels/batch_norm.h"

#include <gmock/gmock.h>

#include <cmath>

#include "arrays.h"

namespace ingot::kernels {
namespace {

const std::vector<std::vector<int64_t>> kShapes{{1, 1},        {5, 3},        {64, 17}, {2, 5, 3, 7}, {3, 64, 2, 2},
                                                {2, 65, 3, 3}, {9, 16, 4, 4}, {70, 33}, {2, 7, 13}};

DType param_dtype(DType dtype) { return dtype == DType::f64 ? DType::f64 : DType::f32; }

// Channel of the logical element i.
int64_t channel(const TestArray& x, int64_t i) {
  int64_t inner = 1;
  for (int d = 2; d < x.array().rank; ++d) inner *= x.array().shape[d];
  return i / inner % x.array().shape[1];
}

struct Stats {
  std::vector<double> mean, variance;
};
Stats reference_stats(const TestArray& x) {
  const auto channels = size_t(x.array().shape[1]);
  const double count = double(x.numel()) / double(channels);
  Stats s{std::vector<double>(channels), std::vector<double>(channels)};
  for (int64_t i = 0; i < x.numel(); ++i) s.mean[size_t(channel(x, i))] += x[i] / count;
  for (int64_t i = 0; i < x.numel(); ++i)
    s.variance[size_t(channel(x, i))] += std::pow(x[i] - s.mean[size_t(channel(x, i))], 2) / count;
  return s;
}

double tolerance(DType dtype) { return dtype == DType::f64 ? 1e-12 : 1e-6; }

TEST(BatchNorm, StatsMatchTheReference) {
  for (const DType dtype : kFloats)
    for (const Layout layout : kInputLayouts)
      for (const auto& shape : kShapes) {
        TestArray x(dtype, shape, layout), mean(param_dtype(dtype), {shape[1]}), variance = mean;
        x.randomise(-1, 3, 1);
        batch_norm_stats(x, mean, variance);
        const Stats expected = reference_stats(x);
        for (int64_t c = 0; c < shape[1]; ++c) {
          ASSERT_NEAR(mean[c], expected.mean[size_t(c)], 2 * tolerance(dtype));
          ASSERT_NEAR(variance[c], expected.variance[size_t(c)], 4 * tolerance(dtype));
        }
        ASSERT_TRUE(mean.guards_intact() && variance.guards_intact());
      }
}

TEST(BatchNorm, StatsOfDataFarFromZero) {
  for (const DType dtype : {DType::f32, DType::f64})
    for (const Layout layout : kLayouts)
      for (const double mean_over_std : {1e4, dtype == DType::f64 ? 1e8 : 1e5}) {
        TestArray x(dtype, {16, 20, 8, 8}, layout), mean(dtype, {20}), variance(dtype, {20});
        x.fill_with([&](int64_t i) { return mean_over_std + std::sin(double(i) * 1.3) * 1.4; });
        batch_norm_stats(x, mean, variance);
        const Stats expected = reference_stats(x);
        for (int64_t c = 0; c < 20; ++c) ASSERT_NEAR(variance[c] / expected.variance[size_t(c)], 1, 1e-6);
      }
}

TEST(BatchNorm, StatsOfNothingAreNaN) {
  TestArray x(DType::f32, {0, 3, 2, 2}), mean(DType::f32, {3}), variance(DType::f32, {3});
  batch_norm_stats(x, mean, variance);
  for (int64_t c = 0; c < 3; ++c) EXPECT_TRUE(std::isnan(mean[c]) && std::isnan(variance[c]));
}

TEST(BatchNorm, StatsOfNaNAreNaN) {
  TestArray x(DType::f32, {4, 33}), mean(DType::f32, {33}), variance(DType::f32, {33});
  x.set(33 + 5, std::nan(""));
  batch_norm_stats(x, mean, variance);
  for (int64_t c = 0; c < 33; ++c) EXPECT_EQ(std::isnan(mean[c]) && std::isnan(variance[c]), c == 5);
}

/// The arrays of one layer with random numbers in them.
struct Layer {
  Layer(DType dtype, const std::vector<int64_t>& shape, Layout layout)
      : x(dtype, shape, layout),
        residual(dtype, shape, layout),
        g(dtype, shape, layout),
        mean(param_dtype(dtype), {shape[1]}),
        invstd(mean),
        gamma(mean),
        beta(mean) {
    x.randomise(-2, 2, 1);
    residual.randomise(-1, 1, 2);
    g.randomise(-1, 1, 3);
    mean.randomise(-1, 1, 4);
    invstd.randomise(0.5, 2, 5);
    gamma.randomise(0.5, 2, 6);
    beta.randomise(-1, 1, 7);
  }
  TestArray x, residual, g, mean, invstd, gamma, beta;
};

TEST(BatchNorm, ApplyMatchesTheReference) {
  for (const DType dtype : kFloats)
    for (const Layout layout : kInputLayouts)
      for (const auto& shape : kShapes)
        for (int options = 0; options < 8; ++options) {
          const bool affine = options & 1, residual = options & 2, relu = options & 4;
          const Layer l(dtype, shape, layout);
          TestArray y(dtype, shape, layout == Layout::broadcast ? Layout::channels_last : layout);
          batch_norm_apply(l.x, l.mean, l.invstd, affine ? l.gamma.array() : Array{}, affine ? l.beta.array() : Array{},
                           residual ? l.residual.array() : Array{}, relu, y);
          for (int64_t i = 0; i < y.numel(); ++i) {
            const int64_t c = channel(l.x, i);
            double v = (l.x[i] - l.mean[c]) * l.invstd[c] * (affine ? l.gamma[c] : 1) + (affine ? l.beta[c] : 0);
            if (residual) v += l.residual[i];
            if (relu) v = std::max(v, 0.0);
            ASSERT_NEAR(y[i], v, 4 * tolerance(dtype) + (dtype == DType::bf16 ? 0.51 * ulp(dtype, v) : 0));
          }
          ASSERT_TRUE(y.guards_intact());
        }
}

TEST(BatchNorm, ReluKeepsNaN) {
  for (const Layout layout : {Layout::row_major, Layout::channels_last}) {
    Layer l(DType::f32, {2, 20, 2, 2}, layout);
    l.x.set(7, std::nan(""));
    TestArray y(DType::f32, {2, 20, 2, 2}, layout);
    batch_norm_apply(l.x, l.mean, l.invstd, {}, {}, {}, true, y);
    for (int64_t i = 0; i < y.numel(); ++i) EXPECT_EQ(std::isnan(y[i]), i == 7);
  }
}

TEST(BatchNorm, GradientMatchesTheReference) {
  for (const DType dtype : kFloats)
    for (const Layout layout : kInputLayouts)
      for (const auto& shape : kShapes)
        for (int options = 0; options < 8; ++options) {
          const bool affine = options & 1, residual = options & 2, relu = options & 4;
          const Layer l(dtype, shape, layout);
          const Layout out = layout == Layout::broadcast ? Layout::sliced : layout;
          TestArray y(dtype, shape, out), dx(dtype, shape, out), dz(dtype, shape, out);
          TestArray dgamma(param_dtype(dtype), {shape[1]}), dbeta = dgamma;
          y.randomise(-1, 1, 8);
          batch_norm_grad(l.x, {.relu = relu, .y = y}, l.g, l.mean, l.invstd, affine ? l.gamma.array() : Array{}, dx,
                          dgamma, dbeta, residual ? dz.array() : Array{});

          const auto grad = [&](int64_t i) { return relu && y[i] <= 0 ? 0 : l.g[i]; };
          const auto xhat = [&](int64_t i) { return (l.x[i] - l.mean[channel(l.x, i)]) * l.invstd[channel(l.x, i)]; };
          std::vector<double> sum(static_cast<size_t>(shape[1])), product = sum;
          for (int64_t i = 0; i < dx.numel(); ++i) {
            sum[size_t(channel(l.x, i))] += grad(i);
            product[size_t(channel(l.x, i))] += grad(i) * xhat(i);
          }
          const double count = double(dx.numel()) / double(shape[1]), eps = tolerance(dtype);
          for (int64_t c = 0; c < shape[1]; ++c) {
            ASSERT_NEAR(dbeta[c], sum[size_t(c)], eps * std::max(1.0, std::abs(sum[size_t(c)])));
            ASSERT_NEAR(dgamma[c], product[size_t(c)], eps * std::max(1.0, std::abs(product[size_t(c)])));
          }
          for (int64_t i = 0; i < dx.numel(); ++i) {
            const auto c = size_t(channel(l.x, i));
            const double scale = (affine ? l.gamma[int64_t(c)] : 1) * l.invstd[int64_t(c)];
            const double expected = scale * (grad(i) - sum[c] / count - xhat(i) * product[c] / count);
            ASSERT_NEAR(dx[i], expected, 40 * eps + (dtype == DType::bf16 ? 0.51 * ulp(dtype, expected) : 0));
            ASSERT_EQ(dz[i], residual ? grad(i) : 0);
          }
          ASSERT_TRUE(dx.guards_intact() && dz.guards_intact() && dgamma.guards_intact() && dbeta.guards_intact());
        }
}

TEST(BatchNorm, TheMaskComputedFromXIsThatOfY) {
  for (const DType dtype : kFloats)
    for (const Layout layout : {Layout::row_major, Layout::channels_last, Layout::sliced})
      for (const auto& shape : kShapes)
        for (const bool affine : {false, true}) {
          const Layer l(dtype, shape, layout);
          const Array gamma = affine ? l.gamma.array() : Array{}, beta = affine ? l.beta.array() : Array{};
          TestArray y(dtype, shape, layout);
          batch_norm_apply(l.x, l.mean, l.invstd, gamma, beta, {}, true, y);
          std::array<TestArray, 2> dx{y, y}, dgamma{l.mean, l.mean}, dbeta = dgamma;
          batch_norm_grad(l.x, {.relu = true, .y = y}, l.g, l.mean, l.invstd, gamma, dx[0], dgamma[0], dbeta[0], {});
          batch_norm_grad(l.x, {.relu = true, .beta = beta}, l.g, l.mean, l.invstd, gamma, dx[1], dgamma[1], dbeta[1],
                          {});
          for (const auto* pair : {&dx, &dgamma, &dbeta}) ASSERT_EQ((*pair)[0].bytes(), (*pair)[1].bytes());
        }
}

TEST(BatchNorm, ConstantStatisticsHaveNoMeanTerms) {
  const Layer l(DType::f32, {3, 20, 2, 2}, Layout::channels_last);
  TestArray dx(DType::f32, {3, 20, 2, 2}, Layout::channels_last);
  batch_norm_grad_input(l.x, {}, l.g, l.mean, l.invstd, l.gamma, {}, {}, 1, dx, {});
  for (int64_t i = 0; i < dx.numel(); ++i) {
    const int64_t c = channel(dx, i);
    EXPECT_NEAR(dx[i], l.gamma[c] * l.invstd[c] * l.g[i], 1e-6);
  }
}

TEST(BatchNorm, SameBitsForAnyThreadCount) {
  const std::vector<int64_t> shape{8, 40, 31, 33};
  for (const DType dtype : kFloats)
    for (const Layout layout : {Layout::channels_last, Layout::row_major}) {
      const Layer l(dtype, shape, layout);
      std::array<TestArray, 2> mean{l.mean, l.mean}, variance = mean, dgamma = mean, dbeta = mean;
      std::array<TestArray, 2> dx{l.x, l.x}, y = dx;
      for (const int threads : {1, 2}) {
        const auto i = size_t(threads - 1);
        with_threads(threads, [&] {
          batch_norm_stats(l.x, mean[i], variance[i]);
          batch_norm_apply(l.x, l.mean, l.invstd, l.gamma, l.beta, l.residual, true, y[i]);
          batch_norm_grad(l.x, {.relu = true, .y = y[i]}, l.g, l.mean, l.invstd, l.gamma, dx[i], dgamma[i], dbeta[i],
                          {});
        });
      }
      for (const auto* pair : {&mean, &variance, &dgamma, &dbeta, &dx, &y})
        EXPECT_EQ((*pair)[0].bytes(), (*pair)[1].bytes());
    }
}

}  // namespace
}  // namespace ingot::kernels
