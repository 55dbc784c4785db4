#include "kernels/softmax.h"

#include <gmock/gmock.h>

#include <cmath>

#include "arrays.h"

namespace ingot::kernels {
namespace {

/// Calls body(logical indices of a line) for each line along `dim`.
void for_lines(const TestArray& x, int dim, const std::function<void(const std::vector<int64_t>&)>& body) {
  int64_t inner = 1;
  for (int d = dim + 1; d < x.array().rank; ++d) inner *= x.array().shape[d];
  const int64_t n = x.array().shape[dim];
  for (int64_t o = 0; o < (n > 0 ? x.numel() / n : 0); ++o) {
    std::vector<int64_t> line;
    for (int64_t i = 0; i < n; ++i) line.push_back((o / inner * n + i) * inner + o % inner);
    body(line);
  }
}

double log_sum(const TestArray& x, const std::vector<int64_t>& line) {
  double max = -INFINITY, sum = 0;
  for (const int64_t i : line) max = std::max(max, x[i]);
  for (const int64_t i : line) sum += std::exp(x[i] - max);
  return max + std::log(sum);
}

double tolerance(DType dtype, double expected) {
  const double eps = dtype == DType::f64 ? 1e-14 : 1e-6;
  return eps * std::max(0.01, std::abs(expected)) + (dtype == DType::bf16 ? 0.51 * ulp(dtype, expected) : 0);
}

struct Case {
  std::vector<int64_t> shape;
  int dim;
};
std::vector<Case> cases() {
  std::vector<Case> all{{{0, 3}, 1}, {{3, 0}, 1}, {{2, 5, 3, 7}, 0}, {{2, 5, 3, 7}, 1}, {{2, 17, 3, 7}, 3}};
  for (const int64_t n : kOddSizes) {
    all.push_back({{3, n}, 1});
    all.push_back({{n}, 0});
  }
  return all;
}

TEST(Softmax, MatchesTheReference) {
  for (const DType dtype : kFloats)
    for (const Layout layout : kInputLayouts)
      for (const auto& [shape, dim] : cases()) {
        TestArray x(dtype, shape, layout), y(dtype, shape, Layout::sliced), logy(dtype, shape, Layout::channels_last);
        x.randomise(-5, 5, 1);
        softmax(x, dim, y);
        log_softmax(x, dim, logy);
        for_lines(x, dim, [&](const std::vector<int64_t>& line) {
          const double total = log_sum(x, line);
          for (const int64_t i : line) {
            ASSERT_NEAR(y[i], std::exp(x[i] - total), tolerance(dtype, std::exp(x[i] - total)));
            ASSERT_NEAR(logy[i], x[i] - total, tolerance(dtype, std::max(1.0, std::abs(x[i] - total))));
          }
        });
        ASSERT_TRUE(y.guards_intact() && logy.guards_intact());
      }
}

TEST(Softmax, GradientsMatchTheReference) {
  for (const DType dtype : kFloats)
    for (const Layout layout : kInputLayouts)
      for (const auto& [shape, dim] : cases()) {
        TestArray y(dtype, shape, layout), logy(dtype, shape), g(dtype, shape, layout);
        TestArray dx(dtype, shape, Layout::transposed), dlog(dtype, shape, Layout::sliced);
        y.randomise(0, 0.1, 2);
        logy.randomise(-4, 0, 3);
        g.randomise(-1, 1, 4);
        softmax_grad(y, g, dim, dx);
        log_softmax_grad(logy, g, dim, dlog);
        for_lines(y, dim, [&](const std::vector<int64_t>& line) {
          double dot = 0, sum = 0;
          for (const int64_t i : line) dot += y[i] * g[i], sum += g[i];
          for (const int64_t i : line) {
            const double a = y[i] * (g[i] - dot), b = g[i] - std::exp(logy[i]) * sum;
            ASSERT_NEAR(dx[i], a, tolerance(dtype, a) + tolerance(DType::f32, 1) * (dtype != DType::f64));
            ASSERT_NEAR(dlog[i], b, tolerance(dtype, std::max(1.0, std::abs(b))) * 4);
          }
        });
        ASSERT_TRUE(dx.guards_intact() && dlog.guards_intact());
      }
}

TEST(Softmax, StableForLargeLogits) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    TestArray x(dtype, {4}), y(dtype, {4});
    x.fill_with([](int64_t i) { return i == 2 ? 1e4 : -1e4 + double(i); });
    softmax(x, 0, y);
    EXPECT_THAT(y.values(), testing::ElementsAre(0, 0, 1, 0));
    log_softmax(x, 0, y);
    EXPECT_THAT(y.values(), testing::ElementsAre(-2e4, -2e4 + 1, 0, -2e4 + 3));
  }
}

TEST(Softmax, ANaNSpoilsItsLineOnly) {
  TestArray x(DType::f32, {3, 70}), y(DType::f32, {3, 70});
  x.set(70 + 69, std::nan(""));
  softmax(x, 1, y);
  for (int64_t i = 0; i < x.numel(); ++i) EXPECT_EQ(std::isnan(y[i]), i / 70 == 1);
}

TEST(Softmax, SameBitsForAnyThreadCount) {
  for (const DType dtype : kFloats)
    for (const int dim : {0, 1, 2}) {
      TestArray x(dtype, {61, 65, 33}), one = x, two = x;
      x.randomise(-3, 3, 5);
      with_threads(1, [&] { log_softmax(x, dim, one); });
      with_threads(2, [&] { log_softmax(x, dim, two); });
      EXPECT_EQ(one.bytes(), two.bytes());
    }
}

}  // namespace
}  // namespace ingot::kernels
