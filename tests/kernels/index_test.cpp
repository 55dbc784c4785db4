#include "kernels/index.h"

#include <gmock/gmock.h>

#include "arrays.h"
#include "base/check.h"

namespace ingot::kernels {
namespace {

// The logical index in x of the element that index[i] names.
int64_t source(const TestArray& x, const TestArray& index, int dim, int64_t i) {
  const Array &a = x.array(), &b = index.array();
  int64_t at = 0, scale = 1, rest = i;
  for (int d = a.rank - 1; d >= 0; --d) {
    at += (d == dim ? static_cast<int64_t>(index[i]) : rest % b.shape[d]) * scale;
    rest /= b.shape[d];
    scale *= a.shape[d];
  }
  return at;
}

struct Case {
  std::vector<int64_t> x, index;
  int dim;
};
const std::vector<Case> kCases{
    {{5, 7, 3}, {5, 4, 3}, 1}, {{5, 7, 3}, {9, 7, 3}, 0}, {{5, 7, 3}, {5, 7, 1}, 2},       {{11}, {1000}, 0},
    {{65, 17}, {33, 17}, 0},   {{17, 65}, {17, 1}, 1},    {{4, 3, 2, 5}, {2, 6, 1, 5}, 1}, {{5, 7}, {0, 7}, 0},
    {{13, 64}, {65, 64}, 0}};

TEST(Index, GatherMatchesTheReference) {
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16, DType::i64, DType::u8, DType::boolean})
    for (const Layout layout : kInputLayouts)
      for (const Layout index_layout : kInputLayouts)
        for (const auto& [shape, index_shape, dim] : kCases) {
          TestArray x(dtype, shape, layout), index(DType::i64, index_shape, index_layout);
          TestArray y(dtype, index_shape, layout == Layout::broadcast ? Layout::sliced : layout);
          x.randomise(0, 100, 1);
          index.randomise(0, double(shape[size_t(dim)]) - 0.01, 2);
          gather(x, index, dim, y);
          for (int64_t i = 0; i < y.numel(); ++i) ASSERT_EQ(y[i], x[source(x, index, dim, i)]);
          ASSERT_TRUE(y.guards_intact());
        }
}

TEST(Index, ScatterAddMatchesTheReference) {
  for (const DType dtype : {DType::f32, DType::f64, DType::i64, DType::i32, DType::bf16})
    for (const Layout layout : kLayouts)
      for (const Layout index_layout : kInputLayouts)
        for (const auto& [shape, index_shape, dim] : kCases) {
          TestArray g(dtype, index_shape, index_layout), index(DType::i64, index_shape, index_layout);
          TestArray dx(dtype, shape, layout);
          g.fill_with([](int64_t i) { return double(i % 3 - 1); });  // exact in every dtype
          index.randomise(0, double(shape[size_t(dim)]) - 0.01, 3);
          dx.fill_with([](int64_t i) { return double(i % 5); });
          std::vector<double> expected = dx.values();
          for (int64_t i = 0; i < g.numel(); ++i) expected[size_t(source(dx, index, dim, i))] += g[i];
          scatter_add(g, index, dim, dx);
          for (int64_t i = 0; i < dx.numel(); ++i)
            ASSERT_TRUE(close_in_ulps(dx[i], expected[size_t(i)], dtype, dtype == DType::bf16 ? 0.5 : 0));
          ASSERT_TRUE(dx.guards_intact());
        }
}

TEST(Index, NamesTheIndexThatIsOutOfRange) {
  TestArray x(DType::f32, {2, 5}), index(DType::i64, {2, 3}), y(DType::f32, {2, 3});
  for (const double bad : {5.0, -1.0}) {
    index.set(4, bad);
    for (const bool scatter : {false, true}) {
      try {
        scatter ? scatter_add(y, index, 1, x) : gather(x, index, 1, y);
        FAIL() << "index " << bad << " was taken";
      } catch (const Error& e) {
        EXPECT_EQ(e.what(), fmt::format("index {} is out of range for dimension 1 of size 5", bad));
      }
    }
  }
}

TEST(Index, RowsOfATable) {
  TestArray table(DType::f32, {10, 65}), rows(DType::i64, {7, 1}), y(DType::f32, {7, 65});
  table.randomise(-1, 1, 4);
  rows.fill_with([](int64_t i) { return double(i * 3 % 10); });
  Array index = rows.array();
  index.shape[1] = 65;
  index.strides[1] = 0;
  gather(table, index, 0, y);
  for (int64_t i = 0; i < y.numel(); ++i) EXPECT_EQ(y[i], table[i / 65 * 3 % 10 * 65 + i % 65]);
}

TEST(Index, ScatterAddHasTheSameBitsForAnyThreadCount) {
  TestArray g(DType::f32, {3000, 64}), index(DType::i64, {3000, 64}), one(DType::f32, {10, 64}), two = one;
  g.randomise(-1, 1, 5);
  index.randomise(0, 9.99, 6);
  with_threads(1, [&] { scatter_add(g, index, 0, one); });
  with_threads(2, [&] { scatter_add(g, index, 0, two); });
  EXPECT_EQ(one.bytes(), two.bytes());
}

}  // namespace
}  // namespace ingot::kernels
