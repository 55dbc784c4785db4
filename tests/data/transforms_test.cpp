#include "ingot/transforms.h"

#include <gmock/gmock.h>

#include <map>

#include "base/philox.h"
#include "data/scratch.h"
#include "ingot/data.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Tensor image(int64_t channels, int64_t height, int64_t width) {
  Tensor x = empty({channels, height, width}, DType::u8);
  for (int64_t i = 0; i < x.numel(); ++i) x.mutable_data<uint8_t>()[i] = static_cast<uint8_t>(i + 1);
  return x;
}

TEST(Transforms, ToDtypeAndNormalizeAreTorchvisionsArithmetic) {
  const Tensor x = from_vector<uint8_t>({0, 51, 255, 128}, {1, 2, 2});
  const Tensor scaled = ToDtype(DType::f32, {.scale = true}).apply(x, {});
  EXPECT_THAT(scaled.to_vector<float>(), ElementsAre(0.f, 51 * (1 / 255.f), 255 * (1 / 255.f), 128 * (1 / 255.f)));
  EXPECT_THAT(ToDtype(DType::f64).apply(x, {}).to_vector<double>(), ElementsAre(0, 51, 255, 128));
  const Tensor two = from_vector<float>({1, 2, 3, 4}, {2, 1, 2});
  EXPECT_THAT(Normalize({1, 2}, {0.5, 2}).apply(two, {}).to_vector<float>(), ElementsAre(0, 2, 0.5, 1));
  EXPECT_THAT(Normalize({1}, {0.5}).apply(two, {}).to_vector<float>(), ElementsAre(0, 2, 4, 6));
}

TEST(Transforms, CropPlacesAreUniformAndPadded) {
  const Tensor x = image(1, 2, 2);  // 1 2 / 3 4
  const RandomCrop crop(2, {.padding = 1, .fill = 9});
  std::map<std::vector<int>, int> seen;
  constexpr int kDraws = 9000;
  for (uint64_t i = 0; i < kDraws; ++i) ++seen[crop.apply(x, fold_in({1}, i)).to_vector<int>()];
  ASSERT_EQ(seen.size(), 9u);
  EXPECT_TRUE(seen.contains({9, 9, 9, 1}) && seen.contains({1, 2, 3, 4}) && seen.contains({4, 9, 9, 9}) &&
              seen.contains({9, 1, 9, 3}));
  for (const auto& [content, count] : seen) EXPECT_NEAR(count, kDraws / 9, 4 * 30);  // sigma is 30
  EXPECT_EQ(RandomCrop(1, 2).apply(x, {}).shape(), Shape({1, 1, 2}));
  EXPECT_THAT(error_of([&] { RandomCrop(5, {.padding = 1}).apply(x, {}); }),
              HasSubstr("the padded image is 4 x 4, smaller than the crop"));
}

TEST(Transforms, FlipMirrorsEveryChannelWithItsProbability) {
  const Tensor x = image(2, 1, 3);
  EXPECT_THAT(RandomHorizontalFlip(1).apply(x, {}).to_vector<int>(), ElementsAre(3, 2, 1, 6, 5, 4));
  EXPECT_THAT(RandomHorizontalFlip(0).apply(x, {}).to_vector<int>(), ElementsAre(1, 2, 3, 4, 5, 6));
  int flips = 0;
  for (uint64_t i = 0; i < 10000; ++i) flips += RandomHorizontalFlip(0.3).flips(fold_in({2}, i));
  EXPECT_NEAR(flips, 3000, 4 * 46);
}

TEST(Transforms, BadArgumentsAreRefused) {
  EXPECT_THAT(error_of([] { RandomCrop(0); }), HasSubstr("RandomCrop: size 0 x 0"));
  EXPECT_THAT(error_of([] { RandomCrop(2, {.padding = -1}); }), HasSubstr("padding is -1"));
  EXPECT_THAT(error_of([] { RandomHorizontalFlip(1.5); }), HasSubstr("p is 1.5"));
  EXPECT_THAT(error_of([] { Normalize({1, 2}, {1}); }), HasSubstr("2 means and 1 standard deviations"));
  EXPECT_THAT(error_of([] { Normalize({1}, {0}); }), HasSubstr("std 0"));
  EXPECT_THAT(error_of([] { Normalize({1, 2}, {1, 1}).apply(zeros({3, 2, 2}), {}); }),
              HasSubstr("2 channels, the image has 3"));
  EXPECT_THAT(error_of([] { Normalize({1}, {1}).apply(image(1, 1, 1), {}); }), HasSubstr("put ToDtype before it"));
  EXPECT_THAT(error_of([] { ToDtype{DType::i64}; }), HasSubstr("not i64"));
  EXPECT_THAT(error_of([] { ToDtype(DType::f32).apply(zeros({2, 2}), {}); }),
              HasSubstr("[C,H,W] is expected, not [2, 2]"));
}

TEST(Transforms, ComposePrintsAndKeysEachStep) {
  const Compose both({RandomHorizontalFlip(0.5), RandomHorizontalFlip(0.5)});
  EXPECT_EQ(both.str(), "Compose(RandomHorizontalFlip(0.5), RandomHorizontalFlip(0.5))");
  const Tensor x = image(1, 1, 2);
  int flipped = 0;
  for (uint64_t i = 0; i < 1000; ++i) flipped += both.apply(x, fold_in({2}, i)).to_vector<int>()[0] == 2;
  EXPECT_NEAR(flipped, 500, 64);  // with one key for both it would be 0
}

TensorDataset random_images(int64_t n, int64_t channels, bool row_major_memory) {
  Tensor x = empty({n, channels, 9, 7}, DType::u8, row_major_memory ? Layout::row_major : Layout::channels_last);
  auto* data = x.mutable_data<uint8_t>();
  for (int64_t i = 0; i < x.numel(); ++i) data[i] = static_cast<uint8_t>(philox({5}, static_cast<uint64_t>(i))[0]);
  return {x, arange(n)};
}

/// Hides that a data set can write batches, so that the loader goes sample by sample.
class Plain : public Dataset {
 public:
  explicit Plain(DatasetHandle set) : set_(std::move(set)) {}
  int64_t size() const override { return set_->size(); }
  Sample get(int64_t i) const override { return set_->get(i); }

 private:
  DatasetHandle set_;
};

// The pass from images into the batch must give the bits that the transforms give one by one.
TEST(ImagePass, HasTheBitsOfTheTransforms) {
  const Transform tone = Compose({ToDtype(DType::f32, {.scale = true}), Normalize({0.3}, {0.7})});
  const auto with = [](std::vector<Transform> moves, int64_t channels) {
    moves.push_back(ToDtype(DType::f32, {.scale = true}));
    if (channels == 3) moves.push_back(Normalize({0.1, 0.2, 0.3}, {0.5, 0.6, 0.7}));
    return Transform(Compose(std::move(moves)));
  };
  for (const int64_t channels : {1, 3})
    for (const bool row_major_memory : {false, true}) {
      const Transform transforms[] = {
          Transform(ToDtype(DType::f32)),
          tone,
          with({RandomHorizontalFlip(0.5)}, channels),
          with({RandomCrop(9, 7, {.padding = 2, .fill = 17})}, channels),
          with({RandomCrop(4, 3), RandomHorizontalFlip(0.5)}, channels),
          with({RandomHorizontalFlip(0.5), RandomCrop(11, 5, {.padding = 4})}, channels),
          with({RandomHorizontalFlip(0.5), RandomCrop(8, 8, {.padding = 3}), RandomHorizontalFlip(0.5)}, channels),
      };
      for (const Transform& transform : transforms) {
        const TransformedDataset set(random_images(40, channels, row_major_memory), transform);
        ASSERT_TRUE(set.spec().has_value()) << transform.str();
        DataLoader fast(set, {.batch_size = 16, .shuffle = true, .seed = 2}),
            slow(Plain(set), {.batch_size = 16, .shuffle = true, .seed = 2});
        Epoch a = fast.epoch(1), b = slow.epoch(1);
        while (auto batch = a.next()) {
          const Batch other = *b.next();
          EXPECT_EQ(batch->input.strides(), other.input.strides());
          ASSERT_EQ(batch->input.to_vector<float>(), other.input.to_vector<float>()) << transform.str();
          EXPECT_EQ(batch->target.to_vector<int64_t>(), other.target.to_vector<int64_t>());
        }
      }
    }
}

TEST(ImagePass, WhatItCannotDoGoesSampleBySample) {
  const auto spec = [](const Transform& t) {
    return TransformedDataset(random_images(4, 3, false), t).spec().has_value();
  };
  EXPECT_FALSE(spec(RandomHorizontalFlip(0.5)));                                                   // stays u8
  EXPECT_FALSE(spec(ToDtype(DType::f64)));                                                         // f64
  EXPECT_FALSE(spec(Compose({ToDtype(DType::f32), RandomHorizontalFlip(0.5)})));                   // moves after
  EXPECT_FALSE(spec(Compose({RandomCrop(5), RandomCrop(4), ToDtype(DType::f32)})));                // two crops
  EXPECT_FALSE(spec(Compose({RandomCrop(5, {.padding = 1, .fill = 0.5}), ToDtype(DType::f32)})));  // fill is no level
  const TransformedDataset nested(TransformedDataset(random_images(4, 3, false), RandomHorizontalFlip(0.5)),
                                  ToDtype(DType::f32));
  EXPECT_FALSE(nested.spec().has_value());
  DataLoader loader(nested, {.batch_size = 4});
  EXPECT_EQ(loader.epoch(0).next()->input.shape(), Shape({4, 3, 9, 7}));
}

TEST(ImagePass, ViewsOfImagesKeepIt) {
  const Transform transform = Compose({RandomCrop(9, 7, {.padding = 2}), ToDtype(DType::f32)});
  const Subset subset(random_images(10, 1, false), {9, 3, 3, 0});
  const ConcatDataset both({subset, random_images(5, 1, true)});
  const TransformedDataset set(both, transform);
  ASSERT_TRUE(set.spec().has_value());
  DataLoader fast(set, {.batch_size = 9}), slow(Plain(set), {.batch_size = 9});
  EXPECT_EQ(fast.epoch(0).next()->input.to_vector<float>(), slow.epoch(0).next()->input.to_vector<float>());
}

}  // namespace
}  // namespace ingot
