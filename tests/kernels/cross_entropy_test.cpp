#include "kernels/cross_entropy.h"

#include <gmock/gmock.h>

#include <cmath>

#include "arrays.h"
#include "base/check.h"

namespace ingot::kernels {
namespace {

constexpr int64_t kIgnored = -7;

DType stats_dtype(DType dtype) { return dtype == DType::f64 ? DType::f64 : DType::f32; }

/// Scores [3,C,2] and what belongs to them; the last target is ignored.
struct Case {
  DType dtype;
  int64_t classes;
  Layout layout;
  CrossEntropy options{.ignore_index = kIgnored, .smoothing = 0.3};
  TestArray x{dtype, {3, classes, 2}, layout}, target{DType::i64, {3, 2}, Layout::transposed};
  TestArray weight{dtype, {classes}, Layout::sliced};
  TestArray loss{dtype, {3, 2}, Layout::sliced}, weights{dtype, {3, 2}};
  TestArray max{stats_dtype(dtype), {3, 2}}, log_sum{stats_dtype(dtype), {3, 2}, Layout::transposed};

  Case(DType d, int64_t c, Layout l) : dtype(d), classes(c), layout(l) {
    x.randomise(-5, 5, 1);
    weight.randomise(0.5, 2, 2);
    target.fill_with([&](int64_t i) { return double(i == 5 ? kIgnored : 5 * i % classes); });
  }
  int64_t at(int64_t i, int64_t c) const { return (i / 2 * classes + c) * 2 + i % 2; }
  /// -log softmax of class c for target i.
  double nll(int64_t i, int64_t c) const {
    double most = -INFINITY, total = 0;
    for (int64_t k = 0; k < classes; ++k) most = std::max(most, x[at(i, k)]);
    for (int64_t k = 0; k < classes; ++k) total += std::exp(x[at(i, k)] - most);
    return std::log(total) + most - x[at(i, c)];
  }
  double tolerance(double value) const {
    const double eps = dtype == DType::f64 ? 1e-13 : 1e-6;
    return eps * std::max(4.0, std::abs(value)) + (dtype == DType::bf16 ? 0.51 * ulp(dtype, value) : 0);
  }
};

void each_case(const std::function<void(Case&)>& check) {
  for (const DType dtype : kFloats)
    for (const Layout layout : kInputLayouts)
      for (const int64_t classes : kOddSizes) {
        SCOPED_TRACE(testing::Message() << name_of(dtype) << " " << int(layout) << " " << classes);
        Case c(dtype, classes, layout);
        check(c);
      }
}

TEST(CrossEntropy, MatchesPlainLoops) {
  each_case([](Case& c) {
    cross_entropy(c.x, c.target, c.weight, c.options, c.loss, c.weights, c.max, c.log_sum);
    for (int64_t i = 0; i < 6; ++i) {
      const bool counts = i != 5;
      const auto t = static_cast<int64_t>(counts ? c.target[i] : 0);
      double expected = 0.7 * c.weight[t] * c.nll(i, t);
      for (int64_t k = 0; k < c.classes; ++k) expected += 0.3 / double(c.classes) * c.weight[k] * c.nll(i, k);
      ASSERT_NEAR(c.loss[i], counts ? expected : 0, c.tolerance(expected));
      ASSERT_EQ(c.weights[i], counts ? c.weight[t] : 0);
    }
    ASSERT_TRUE(c.loss.guards_intact() && c.weights.guards_intact());
    ASSERT_TRUE(c.max.guards_intact() && c.log_sum.guards_intact());
  });
}

TEST(CrossEntropy, GradientsMatchPlainLoops) {
  each_case([](Case& c) {
    TestArray g(c.dtype, {3, 2}, Layout::transposed), dx(c.dtype, {3, c.classes, 2}, Layout::sliced);
    g.randomise(-1, 1, 3);
    cross_entropy(c.x, c.target, c.weight, c.options, c.loss, c.weights, c.max, c.log_sum);
    cross_entropy_grad(c.x, c.target, c.weight, c.max, c.log_sum, g, c.options, dx);
    double total = 0;
    for (int64_t k = 0; k < c.classes; ++k) total += c.weight[k];
    for (int64_t i = 0; i < 6; ++i)
      for (int64_t k = 0; k < c.classes; ++k) {
        const bool counts = i != 5;
        const auto t = static_cast<int64_t>(counts ? c.target[i] : 0);
        const double each = 0.3 / double(c.classes), own = 0.7 * c.weight[t];
        const double slope = std::exp(-c.nll(i, k)) * (own + each * total) - (k == t ? own : 0) - each * c.weight[k];
        ASSERT_NEAR(dx[c.at(i, k)], counts ? g[i] * slope : 0, c.tolerance(slope));
      }
    ASSERT_TRUE(dx.guards_intact());
  });
}

TEST(CrossEntropy, WithoutWeightsSmoothingAndStatistics) {
  Case c(DType::f32, 65, Layout::row_major);
  cross_entropy(c.x, c.target, {}, {.ignore_index = kIgnored}, c.loss, c.weights, {}, {});
  for (int64_t i = 0; i < 5; ++i) {
    EXPECT_NEAR(c.loss[i], c.nll(i, static_cast<int64_t>(c.target[i])), 4e-6);
    EXPECT_EQ(c.weights[i], 1);
  }
}

TEST(CrossEntropy, ExactForLargeScores) {
  TestArray x(DType::f32, {1, 3}), target(DType::i64, {1}), loss(DType::f32, {1}), weights = loss;
  x.fill_with([](int64_t i) { return i == 2 ? 1e6 : 1e6 - 1; });
  target.set(0, 2);
  cross_entropy(x, target, {}, {}, loss, weights, {}, {});
  EXPECT_NEAR(loss[0], std::log(1 + 2 * std::exp(-1.0)), 1e-7);
}

TEST(CrossEntropy, RefusesATargetThatIsNoClass) {
  for (const int64_t wrong : {-1, 3}) {
    TestArray x(DType::f32, {1, 3}), target(DType::i64, {1}), loss(DType::f32, {1}), weights = loss;
    target.set(0, double(wrong));
    try {
      cross_entropy(x, target, {}, {}, loss, weights, {}, {});
      FAIL();
    } catch (const Error& e) {
      EXPECT_EQ(std::string(e.what()), "the target " + std::to_string(wrong) + " is outside [0, 3)");
    }
  }
}

TEST(CrossEntropy, SameBitsForAnyThreadCount) {
  for (const DType dtype : kFloats) {
    TestArray x(dtype, {301, 65}), target(DType::i64, {301}), g(dtype, {301});
    TestArray loss(dtype, {301}), weights = loss, max(stats_dtype(dtype), {301}), log_sum = max, one = x, two = x;
    x.randomise(-3, 3, 5);
    g.randomise(-1, 1, 6);
    const auto run = [&](TestArray& dx) {
      cross_entropy(x, target, {}, {}, loss, weights, max, log_sum);
      cross_entropy_grad(x, target, {}, max, log_sum, g, {}, dx);
    };
    with_threads(1, [&] { run(one); });
    const auto first = loss.bytes();
    with_threads(2, [&] { run(two); });
    EXPECT_EQ(first, loss.bytes());
    EXPECT_EQ(one.bytes(), two.bytes());
  }
}

}  // namespace
}  // namespace ingot::kernels
