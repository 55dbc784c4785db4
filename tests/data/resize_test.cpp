#include <gmock/gmock.h>

#include <cmath>

#include "data/scratch.h"
#include "ingot/io.h"
#include "ingot/transforms.h"

namespace ingot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const TensorMap& golden() {
  static const TensorMap tensors = load_safetensors(INGOT_SOURCE_DIR "/tests/golden/images.safetensors").tensors;
  return tensors;
}

Tensor as(const Tensor& image, DType dtype) { return ToDtype(dtype).apply(image, {}); }

TEST(Resize, LevelsAreThoseOfPillow) {
  int cases = 0;
  for (const auto& [name, wanted] : golden()) {
    if (!name.starts_with("resize/") || name.ends_with("/in")) continue;
    const Tensor image = golden().at(name.substr(0, name.rfind('/')) + "/in");
    const Resize resize(wanted.size(1), wanted.size(2));
    EXPECT_EQ(resize.apply(image, {}).to_vector<int>(), wanted.to_vector<int>()) << name;
    // Without rounding in between a level may be another one; both ways of rounding are off by at most a half.
    const auto exact = resize.apply(as(image, DType::f64), {}).to_vector<double>();
    const auto levels = wanted.to_vector<double>();
    for (size_t i = 0; i < exact.size(); ++i) ASSERT_NEAR(exact[i], levels[i], 1.01) << name;
    ++cases;
  }
  EXPECT_EQ(cases, 14);
}

/// The formula of the header in two dimensions at once.
double reference(const std::vector<double>& x, int64_t h, int64_t w, int64_t oh, int64_t ow, int64_t y0, int64_t x0,
                 bool antialias) {
  const auto weight = [&](int64_t j, int64_t i, int64_t in, int64_t out) {
    const double ratio = static_cast<double>(in) / static_cast<double>(out), s = antialias ? std::max(ratio, 1.) : 1.;
    return std::max(0., 1 - std::abs((static_cast<double>(j) + .5 - (static_cast<double>(i) + .5) * ratio) / s));
  };
  double sum = 0, total = 0;
  for (int64_t a = 0; a < h; ++a)
    for (int64_t b = 0; b < w; ++b) {
      const double k = weight(a, y0, h, oh) * weight(b, x0, w, ow);
      sum += k * x[static_cast<size_t>(a * w + b)], total += k;
    }
  return sum / total;
}

TEST(Resize, FollowsItsFormulaWithAndWithoutAntialiasing) {
  constexpr int64_t kHeight = 9, kWidth = 14;
  const Tensor image = uniform({1, kHeight, kWidth}, 0, 1, RandomKey{4}, DType::f64);
  const auto x = image.to_vector<double>();
  for (const bool antialias : {true, false})
    for (const auto& [h, w] : std::vector<std::pair<int64_t, int64_t>>{{3, 5}, {18, 14}, {9, 4}, {2, 31}, {1, 1}}) {
      const Tensor out = Resize(h, w, {.antialias = antialias}).apply(image, {});
      ASSERT_EQ(out.shape(), Shape({1, h, w}));
      const auto found = out.to_vector<double>();
      for (int64_t a = 0; a < h; ++a)
        for (int64_t b = 0; b < w; ++b)
          EXPECT_NEAR(found[static_cast<size_t>(a * w + b)], reference(x, kHeight, kWidth, h, w, a, b, antialias),
                      1e-12);
    }
}

TEST(Resize, TheShorterEdgeGetsTheSize) {
  const auto shape = [](int64_t h, int64_t w, int64_t size) {
    return Resize(size).apply(zeros({3, h, w}, DType::u8), {}).shape();
  };
  EXPECT_EQ(shape(20, 30, 10), Shape({3, 10, 15}));
  EXPECT_EQ(shape(31, 20, 10), Shape({3, 15, 10}));  // 15.5, rounded down as torchvision does
  EXPECT_EQ(shape(7, 7, 9), Shape({3, 9, 9}));
  EXPECT_EQ(Resize(7).apply(ones({1, 7, 8}), {}).to_vector<float>(), std::vector<float>(56, 1));
}

TEST(Resize, RefusesWhatItCannot) {
  EXPECT_THAT(error_of([] { Resize(0); }), HasSubstr("Resize: size is 0"));
  EXPECT_THAT(error_of([] { Resize(3, -1); }), HasSubstr("Resize: size 3 x -1"));
  EXPECT_THAT(error_of([] { Resize(INT64_MAX); }), HasSubstr("it must be from 1 to 268435456"));
  EXPECT_THAT(error_of([] { Resize(4).apply(zeros({2, 2}), {}); }),
              HasSubstr("Resize(4, antialias=true): an image [C,H,W] is expected, not [2, 2]"));
  EXPECT_THAT(error_of([] { Resize(4).apply(zeros({1, 0, 2}), {}); }), HasSubstr("not [1, 0, 2]"));
  EXPECT_THAT(error_of([] { Resize(1000).apply(zeros({1, 1, 1000000}, DType::u8), {}); }),
              HasSubstr("an image of 1000000 x 1 would have 1000000000 x 1000 pixels"));
  EXPECT_THAT(error_of([] { Resize(2).apply(zeros({1, 4, 4}, DType::i64), {}); }), HasSubstr("not i64"));
}

TEST(CenterCrop, TakesTheMiddleAndPadsSmallImages) {
  std::vector<uint8_t> values;
  for (uint8_t i = 1; i <= 25; ++i) values.push_back(i);
  const Tensor image = from_vector(values, {1, 5, 5});
  EXPECT_THAT(CenterCrop(1).apply(image, {}).to_vector<int>(), ElementsAre(13));
  EXPECT_THAT(CenterCrop(2, 1).apply(image, {}).to_vector<int>(), ElementsAre(13, 18));  // from row 1.5, rounded to 2
  EXPECT_THAT(CenterCrop(1, 4).apply(image, {}).to_vector<int>(), ElementsAre(11, 12, 13, 14));  // 0.5 to 0
  const Tensor one = from_vector<uint8_t>({7}, {1, 1, 1});
  EXPECT_THAT(CenterCrop(2, 3).apply(one, {}).to_vector<int>(), ElementsAre(0, 7, 0, 0, 0, 0));
  EXPECT_THAT(error_of([] { CenterCrop(0); }), HasSubstr("CenterCrop: size 0 x 0"));
  EXPECT_THAT(error_of([] { CenterCrop(2).apply(zeros({2, 2}), {}); }), HasSubstr("CenterCrop(2, 2): an image"));
}

}  // namespace
}  // namespace ingot
