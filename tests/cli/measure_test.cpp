#include "cli/measure.h"

#include <cmath>
#include <limits>

#include "cli/difference.h"
#include "gtest/gtest.h"
#include "ingot/error.h"

namespace ingot::cli {
namespace {

TEST(Latency, PercentilesAreNumpys) {
  const Latency l = latency_of({5, 1, 4, 2, 3});
  EXPECT_EQ(l.min, 1);
  EXPECT_EQ(l.median, 3);
  EXPECT_EQ(l.mean, 3);
  EXPECT_DOUBLE_EQ(l.p90, 4.6);  // numpy.percentile([1, 2, 3, 4, 5], 90)
  EXPECT_DOUBLE_EQ(l.p99, 4.96);
  EXPECT_EQ(latency_of({7}).p99, 7);
  EXPECT_THROW(latency_of({}), Error);
}

TEST(MeasureAlternating, TimesEveryFunctionAtLeastOnce) {
  int a = 0, b = 0;
  const auto times = measure_alternating({[&] { ++a; }, [&] { ++b; }}, {.warmup = 0, .duration = 0});
  ASSERT_EQ(times.size(), 2u);
  EXPECT_EQ(static_cast<int>(times[0].size()), a - 1);  // the first call warms up
  EXPECT_EQ(static_cast<int>(times[1].size()), b - 1);
  EXPECT_GE(times[0].size(), 1u);
  EXPECT_GE(times[1].size(), 1u);
}

TEST(Difference, IsRelativeToTheReference) {
  Difference d;
  d.add(from_vector<float>({3, 4}, {2}), from_vector<float>({3, 5}, {2}));
  EXPECT_DOUBLE_EQ(d.max_abs(), 1);
  EXPECT_DOUBLE_EQ(d.rel_rms(), 1.0 / 5);
  d.add(from_vector<float>({0}, {1}), from_vector<float>({0}, {1}));
  EXPECT_DOUBLE_EQ(d.rel_rms(), 1.0 / 5);
  EXPECT_EQ(d.count(), 3);
}

TEST(Difference, NumbersThatAreNotFiniteAgreeOnlyWithThemselves) {
  const float nan = std::nanf(""), inf = std::numeric_limits<float>::infinity();
  Difference same, other;
  same.add(from_vector<float>({nan, inf, 1}, {3}), from_vector<float>({nan, inf, 1}, {3}));
  EXPECT_EQ(same.rel_rms(), 0);
  other.add(from_vector<float>({1, 1}, {2}), from_vector<float>({nan, 1}, {2}));
  EXPECT_TRUE(std::isinf(other.rel_rms()));
  Difference zero;
  zero.add(from_vector<float>({0}, {1}), from_vector<float>({1}, {1}));
  EXPECT_TRUE(std::isinf(zero.rel_rms()));
  EXPECT_THROW(same.add(zeros({2}), zeros({3})), Error);
}

TEST(AgreeingRows, CountsEqualWinners) {
  const Tensor a = from_vector<float>({1, 2, 3, 1}, {2, 2}), b = from_vector<float>({0, 9, 1, 2}, {2, 2});
  EXPECT_EQ(agreeing_rows(a, b), 1);
}

}  // namespace
}  // namespace ingot::cli
