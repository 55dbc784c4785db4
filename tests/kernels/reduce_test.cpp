#include "kernels/reduce.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "arrays.h"
#include "base/check.h"

namespace ingot::kernels {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
const std::vector<Reduce> kAll{Reduce::sum, Reduce::mean, Reduce::max, Reduce::min, Reduce::prod};

std::vector<int64_t> reduced_shape(std::vector<int64_t> shape, unsigned dims) {
  for (size_t d = 0; d < shape.size(); ++d)
    if (dims >> d & 1u) shape[d] = 1;
  return shape;
}

// The elements of x that belong to each output, by logical index.
std::vector<std::vector<double>> groups(const TestArray& x, const TestArray& y) {
  std::vector<std::vector<double>> all(static_cast<size_t>(y.numel()));
  const Array &a = x.array(), &b = y.array();
  for (int64_t i = 0; i < x.numel(); ++i) {
    int64_t rest = i, out = 0, scale = 1;
    for (int d = a.rank - 1; d >= 0; --d) {
      if (b.shape[d] != 1) out += rest % a.shape[d] * scale;
      scale *= b.shape[d];
      rest /= a.shape[d];
    }
    all[static_cast<size_t>(out)].push_back(x[i]);
  }
  return all;
}

double reference(Reduce op, const std::vector<double>& v) {
  double acc = op == Reduce::prod ? 1 : op == Reduce::max ? -INFINITY : op == Reduce::min ? INFINITY : 0;
  for (const double x : v) {
    if (op == Reduce::prod)
      acc *= x;
    else if (op == Reduce::max)
      acc = std::max(acc, x);
    else if (op == Reduce::min)
      acc = std::min(acc, x);
    else
      acc += x;
  }
  return op == Reduce::mean ? acc / double(v.size()) : acc;
}

TEST(Reduce, MatchesTheReferenceOverEverySetOfDimensions) {
  for (const Reduce op : kAll)
    for (const DType dtype : kFloats)
      for (const Layout layout : kInputLayouts)
        for (unsigned dims = 0; dims < 16; ++dims)
          for (const Layout out : {Layout::row_major, Layout::sliced, Layout::channels_last}) {
            const std::vector<int64_t> shape{3, 17, 4, 5};
            TestArray x(dtype, shape, layout), y(dtype, reduced_shape(shape, dims), out);
            if (op == Reduce::prod)
              x.randomise(0.9, 1.1, dims);
            else
              x.randomise(-1, 3, dims);
            reduce(op, x, y);
            const auto parts = groups(x, y);
            for (int64_t i = 0; i < y.numel(); ++i) {
              const double expected = reference(op, parts[size_t(i)]);
              ASSERT_NEAR(y[i], expected, 0.51 * ulp(dtype, expected) + 1e-12 * std::max(1.0, std::abs(expected)));
            }
            ASSERT_TRUE(y.guards_intact());
          }
}

TEST(Reduce, OddSizesAsRowsAndColumns) {
  for (const DType dtype : kFloats)
    for (const int64_t rows : {1, 2, 3, 33, 65})
      for (const int64_t columns : kOddSizes)
        for (const unsigned dims : {1u, 2u, 3u})
          for (const Reduce op : {Reduce::sum, Reduce::max, Reduce::min}) {
            TestArray x(dtype, {rows, columns}), y(dtype, reduced_shape({rows, columns}, dims));
            x.randomise(-1, 1, unsigned(rows + columns));
            reduce(op, x, y);
            const auto parts = groups(x, y);
            for (int64_t i = 0; i < y.numel(); ++i) {
              const double expected = reference(op, parts[size_t(i)]);
              ASSERT_NEAR(y[i], expected, 0.51 * ulp(dtype, expected) + 1e-12);
            }
            ASSERT_TRUE(y.guards_intact());
          }
}

TEST(Reduce, IntegersAndBool) {
  for (const DType dtype : {DType::i64, DType::i32, DType::u8, DType::i8, DType::boolean})
    for (const Layout layout : kInputLayouts)
      for (const Reduce op : {Reduce::sum, Reduce::max, Reduce::min, Reduce::prod})
        for (const unsigned dims : {1u, 2u, 5u, 7u}) {
          const std::vector<int64_t> shape{3, 17, 5};
          TestArray x(dtype, shape, layout), y(DType::i64, reduced_shape(shape, dims));
          x.randomise(0, op == Reduce::prod ? 1.5 : 9, dims);
          reduce(op, x, y);
          const auto parts = groups(x, y);
          for (int64_t i = 0; i < y.numel(); ++i) ASSERT_EQ(y[i], reference(op, parts[size_t(i)]));
        }
  TestArray x(DType::i32, {4}), y(DType::i32, {1});
  EXPECT_THROW(reduce(Reduce::mean, x, y), Error);
}

TEST(Reduce, NothingReducedToSomething) {
  for (const DType dtype : kFloats) {
    TestArray x(dtype, {2, 0}), y(dtype, {2, 1});
    reduce(Reduce::sum, x, y);
    EXPECT_THAT(y.values(), testing::Each(0));
    reduce(Reduce::prod, x, y);
    EXPECT_THAT(y.values(), testing::Each(1));
    reduce(Reduce::mean, x, y);
    EXPECT_TRUE(std::isnan(y[0]) && std::isnan(y[1]));
    EXPECT_THROW(reduce(Reduce::max, x, y), Error);
    TestArray none(dtype, {0, 1});
    reduce(Reduce::max, TestArray(dtype, {0, 3}), none);
  }
}

TEST(Reduce, NaNPropagates) {
  for (const DType dtype : kFloats)
    for (const int64_t at : {0, 5, 63, 64})
      for (const Reduce op : kAll)
        for (const unsigned dims : {1u, 2u}) {
          TestArray x(dtype, {65, 65}), y(dtype, reduced_shape({65, 65}, dims));
          x.fill_with([&](int64_t i) { return i / 65 == at && i % 65 == at ? kNaN : double(i % 3); });
          reduce(op, x, y);
          for (int64_t i = 0; i < 65; ++i) ASSERT_EQ(std::isnan(y[i]), i == at);
        }
}

TEST(Reduce, MeanOfTenMillionFloatsIsAccurate) {
  constexpr int64_t kCount = 10'000'000;
  std::vector<float> x(kCount);
  double expected = 0;
  for (int64_t i = 0; i < kCount; ++i) {
    x[size_t(i)] = 0.1f + 1e-3f * float(i % 1000);
    expected += double(x[size_t(i)]) / kCount;
  }
  float y = 0;
  reduce(Reduce::mean, row_major(x.data(), DType::f32, {kCount}), row_major(&y, DType::f32, {1}));
  EXPECT_NEAR(y, expected, 1e-7 * expected);
}

TEST(Reduce, SameBitsForAnyThreadCount) {
  const std::vector<int64_t> shape{8, 13, 31, 37};
  for (const DType dtype : kFloats)
    for (const Layout layout : kInputLayouts)
      for (const unsigned dims : {15u, 13u, 12u, 8u, 1u, 2u}) {
        TestArray x(dtype, shape, layout), one(dtype, reduced_shape(shape, dims)), two = one;
        x.randomise(-1, 3, dims);
        for (const Reduce op : {Reduce::sum, Reduce::prod}) {
          with_threads(1, [&] { reduce(op, x, one); });
          with_threads(2, [&] { reduce(op, x, two); });
          EXPECT_EQ(one.bytes(), two.bytes());
        }
      }
}

TEST(Argmax, MatchesTheReference) {
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::i64, DType::u8, DType::boolean})
    for (const Layout layout : kInputLayouts)
      for (int dim = 0; dim < 3; ++dim) {
        std::vector<int64_t> shape{5, 70, 3};
        TestArray x(dtype, shape, layout);
        x.randomise(0, 20, unsigned(dim));
        shape[size_t(dim)] = 1;
        TestArray y(DType::i64, shape, Layout::sliced);
        argmax(x, dim, y);
        const int64_t inner = dim == 2 ? 1 : dim == 1 ? 3 : 210, n = x.array().shape[dim];
        for (int64_t o = 0; o < y.numel(); ++o) {
          const int64_t base = o / inner * inner * n + o % inner;
          int64_t best = 0;
          for (int64_t i = 1; i < n; ++i)
            if (x[base + i * inner] > x[base + best * inner]) best = i;
          ASSERT_EQ(y[o], double(best));
        }
        ASSERT_TRUE(y.guards_intact());
      }
}

TEST(Argmax, TakesTheFirstNaN) {
  TestArray x(DType::f32, {4}), y(DType::i64, {1});
  x.fill_with([](int64_t i) { return i == 0 ? 9 : i == 1 ? 1 : kNaN; });
  argmax(x, 0, y);
  EXPECT_EQ(y[0], 2);
  EXPECT_THROW(argmax(TestArray(DType::f32, {0}), 0, y), Error);
}

}  // namespace
}  // namespace ingot::kernels
