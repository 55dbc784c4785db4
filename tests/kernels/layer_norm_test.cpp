#include "kernels/layer_norm.h"

#include <cmath>

#include "arrays.h"

namespace ingot::kernels {
namespace {

constexpr double kEps = 1e-3;

double tolerance(DType dtype) { return dtype == DType::f64 ? 1e-12 : dtype == DType::f32 ? 2e-5 : 0.03; }

DType stats_dtype(DType dtype) { return dtype == DType::f64 ? DType::f64 : DType::f32; }

struct Line {
  double mean = 0, rstd = 0;
};
std::vector<Line> statistics(const TestArray& x, int64_t n) {
  std::vector<Line> lines(static_cast<size_t>(x.numel() / n));
  for (int64_t i = 0; i < x.numel(); ++i) lines[static_cast<size_t>(i / n)].mean += x[i] / static_cast<double>(n);
  for (int64_t i = 0; i < x.numel(); ++i) {
    Line& line = lines[static_cast<size_t>(i / n)];
    line.rstd += std::pow(x[i] - line.mean, 2) / static_cast<double>(n);
  }
  for (Line& line : lines) line.rstd = 1 / std::sqrt(line.rstd + kEps);
  return lines;
}

TEST(LayerNorm, MatchesPlainLoops) {
  for (const DType dtype : kFloats)
    for (const Layout layout : kInputLayouts)
      for (const int64_t n : kOddSizes) {
        const std::vector<int64_t> shape{3, 2, n};
        TestArray x(dtype, shape, layout), gamma(dtype, {n}, Layout::sliced), beta(dtype, {n});
        TestArray y(dtype, shape, Layout::sliced), mean(stats_dtype(dtype), {3, 2, 1}), rstd = mean;
        x.randomise(-2, 3, 1);
        gamma.randomise(0.5, 1.5, 2);
        beta.randomise(-1, 1, 3);
        layer_norm(x, gamma, beta, kEps, y, mean, rstd);
        const auto lines = statistics(x, n);
        for (int64_t i = 0; i < x.numel(); ++i) {
          const Line& line = lines[static_cast<size_t>(i / n)];
          ASSERT_NEAR(y[i], (x[i] - line.mean) * line.rstd * gamma[i % n] + beta[i % n], tolerance(dtype)) << n;
          ASSERT_NEAR(mean[i / n], line.mean, tolerance(DType::f32));
          ASSERT_NEAR(rstd[i / n], line.rstd, tolerance(DType::f32) * line.rstd);
        }
        ASSERT_TRUE(y.guards_intact());
      }
}

TEST(LayerNorm, GradientsMatchPlainLoops) {
  for (const DType dtype : kFloats)
    for (const Layout layout : kInputLayouts)
      for (const int64_t n : kOddSizes) {
        const std::vector<int64_t> shape{41, 2, n};
        TestArray x(dtype, shape, layout), g(dtype, shape), gamma(dtype, {n});
        TestArray dx(dtype, shape, Layout::sliced), dgamma(dtype, {n}, Layout::sliced), dbeta(dtype, {n});
        TestArray mean(stats_dtype(dtype), {41, 2, 1}), rstd = mean;
        x.randomise(-2, 3, 1);
        g.randomise(-1, 1, 2);
        gamma.randomise(0.5, 1.5, 3);
        const auto lines = statistics(x, n);
        mean.fill_with([&](int64_t i) { return lines[static_cast<size_t>(i)].mean; });
        rstd.fill_with([&](int64_t i) { return lines[static_cast<size_t>(i)].rstd; });
        layer_norm_grad(x, g, gamma, mean, rstd, dx, dgamma, dbeta);
        std::vector<double> by_gamma(static_cast<size_t>(n)), by_beta = by_gamma;
        for (size_t l = 0; l < lines.size(); ++l) {
          const auto first = static_cast<int64_t>(l) * n;
          const auto h = [&](int64_t i) { return (x[first + i] - lines[l].mean) * lines[l].rstd; };
          double u = 0, uh = 0;
          for (int64_t i = 0; i < n; ++i) {
            u += g[first + i] * gamma[i] / static_cast<double>(n);
            uh += g[first + i] * gamma[i] * h(i) / static_cast<double>(n);
            by_gamma[static_cast<size_t>(i)] += g[first + i] * h(i);
            by_beta[static_cast<size_t>(i)] += g[first + i];
          }
          for (int64_t i = 0; i < n; ++i) {
            const double expected = lines[l].rstd * (g[first + i] * gamma[i] - u - h(i) * uh);
            ASSERT_NEAR(dx[first + i], expected, tolerance(dtype) * std::max(1.0, lines[l].rstd)) << n;
          }
        }
        for (int64_t i = 0; i < n; ++i) {
          ASSERT_NEAR(dgamma[i], by_gamma[static_cast<size_t>(i)], 8 * tolerance(dtype)) << n;
          ASSERT_NEAR(dbeta[i], by_beta[static_cast<size_t>(i)], 8 * tolerance(dtype)) << n;
        }
        ASSERT_TRUE(dx.guards_intact() && dgamma.guards_intact());
      }
}

TEST(LayerNorm, SameBitsForAnyThreadCount) {
  TestArray x(DType::f32, {700, 129}), g = x, mean(DType::f32, {700, 1}), rstd = mean;
  x.randomise(-3, 3, 5);
  g.randomise(-1, 1, 6);
  TestArray y = x, dx[2] = {x, x}, dgamma[2] = {TestArray(DType::f32, {129}), TestArray(DType::f32, {129})};
  TestArray dbeta[2] = {dgamma[0], dgamma[0]};
  layer_norm(x, {}, {}, kEps, y, mean, rstd);
  for (const int threads : {1, 2})
    with_threads(threads, [&] {
      layer_norm_grad(x, g, {}, mean, rstd, dx[threads - 1], dgamma[threads - 1], dbeta[threads - 1]);
    });
  EXPECT_EQ(dx[0].bytes(), dx[1].bytes());
  EXPECT_EQ(dgamma[0].bytes(), dgamma[1].bytes());
  EXPECT_EQ(dbeta[0].bytes(), dbeta[1].bytes());
}

}  // namespace
}  // namespace ingot::kernels
