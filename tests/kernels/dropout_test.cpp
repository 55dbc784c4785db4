#include "kernels/dropout.h"

#include <gmock/gmock.h>

#include "arrays.h"
#include "base/philox.h"

namespace ingot::kernels {
namespace {

const RandomKey kKey{0x0123456789abcdefu};

bool kept(int64_t sample, int64_t i, float p, uint64_t counter) {
  const auto words = philox(kKey, uint64_t(i / 4), counter + uint64_t(sample));
  return uniform_f32(words[size_t(i % 4)]) >= p;
}

TEST(Dropout, KeepsWhatPhiloxSaysInEveryLayout) {
  std::vector<std::vector<int64_t>> shapes{{}, {0, 3}, {3, 0}, {2, 3, 5, 7}, {3, 17, 9, 11}, {2, 2050}};
  for (const int64_t n : kOddSizes) shapes.insert(shapes.end(), {{n}, {3, n}});
  for (const DType dtype : kFloats)
    for (const Layout layout : kInputLayouts)
      for (const auto& shape : shapes)
        for (const float p : {0.f, 0.3f, 1.f}) {
          const uint64_t counter = uint64_t(1) << 40;
          TestArray x(dtype, shape, layout), y(dtype, shape, layout == Layout::broadcast ? Layout::sliced : layout);
          x.randomise(1, 2, 1);
          dropout(x, p, kKey, counter, y);
          const int64_t size = shape.empty() || shape[0] == 0 ? 1 : x.numel() / shape[0];
          for (int64_t i = 0; i < x.numel(); ++i) {
            const double expected = kept(i / size, i % size, p, counter) ? x[i] / double(1 - p) : 0;
            ASSERT_TRUE(close_in_ulps(y[i], expected, dtype, dtype == DType::bf16 ? 0.51 : 2));
          }
          ASSERT_TRUE(y.guards_intact());
        }
}

TEST(Dropout, ABatchInTwoPartsIsTheSame) {
  TestArray x(DType::f32, {6, 33}), whole(DType::f32, {6, 33}), parts(DType::f32, {6, 33});
  x.randomise(1, 2, 2);
  dropout(x, 0.5f, kKey, 100, whole);
  for (const int64_t first : {0, 4}) {
    Array a = x.array(), b = parts.array();
    a.data = a.as<float>() + first * 33;
    b.data = b.as<float>() + first * 33;
    a.shape[0] = b.shape[0] = first == 0 ? 4 : 2;
    dropout(a, 0.5f, kKey, 100 + uint64_t(first), b);
  }
  EXPECT_EQ(whole.bytes(), parts.bytes());
}

TEST(Dropout, KeepsTheShareThatItShould) {
  constexpr int64_t kCount = 200000;
  TestArray x(DType::f32, {2, kCount / 2}), y(DType::f32, {2, kCount / 2});
  x.fill_with([](int64_t) { return 1; });
  dropout(x, 0.3f, kKey, 0, y);
  const auto values = y.values();
  const double share = double(std::count_if(values.begin(), values.end(), [](double v) { return v != 0; })) / kCount;
  EXPECT_NEAR(share, 0.7, 5 * std::sqrt(0.3 * 0.7 / kCount));
}

TEST(Dropout, SameBitsForAnyThreadCount) {
  for (const Layout layout : kLayouts) {
    TestArray x(DType::f32, {5, 31, 33, 17}, layout), one = x, two = x;
    x.randomise(1, 2, 3);
    with_threads(1, [&] { dropout(x, 0.5f, kKey, 7, one); });
    with_threads(2, [&] { dropout(x, 0.5f, kKey, 7, two); });
    EXPECT_EQ(one.bytes(), two.bytes());
  }
}

}  // namespace
}  // namespace ingot::kernels
