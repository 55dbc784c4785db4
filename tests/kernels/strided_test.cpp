#include "kernels/strided.h"

#include <gmock/gmock.h>

#include "arrays.h"

namespace ingot::kernels {
namespace {

using testing::ElementsAre;

TEST(StridedLoops, CollapsesWhatIsOneRunInEveryArray) {
  const TestArray x(DType::f32, {2, 3, 4, 5}, Layout::channels_last),
      y(DType::f32, {2, 3, 4, 5}, Layout::channels_last);
  const StridedLoops<2> loops({&x.array(), &y.array()});
  EXPECT_TRUE(loops.single_run());
  EXPECT_EQ(loops.inner_size(), 120);
  EXPECT_EQ(loops.inner_stride(0), 1);
}

TEST(StridedLoops, OrdersByTheLastArray) {
  const TestArray x(DType::f32, {2, 3, 4, 5}), y(DType::f32, {2, 3, 4, 5}, Layout::channels_last);
  const StridedLoops<2> loops({&x.array(), &y.array()});
  EXPECT_EQ(loops.inner_size(), 3);
  EXPECT_EQ(loops.inner_stride(0), 20);
  EXPECT_EQ(loops.inner_stride(1), 1);
}

TEST(StridedLoops, WalksLogicalOrderWhenAsked) {
  TestArray x(DType::f32, {2, 3, 4}, Layout::channels_last);
  x.fill_with([](int64_t i) { return double(i); });
  const StridedLoops<1> loops({&x.array()}, LoopOrder::logical);
  double expected = 0;
  loops.walk(0, loops.numel(), [&](const Block<1>& b) {
    EXPECT_EQ(b.position, expected);
    for (int64_t r = 0; r < b.rows; ++r)
      for (int64_t i = 0; i < b.count; ++i) EXPECT_EQ(b.row<float>(0, r)[i * b.stride[0]], expected++);
  });
  EXPECT_EQ(expected, 24);
}

// Every element once, whatever the layout and the range's ends.
TEST(StridedLoops, RangesCoverEveryElementOnce) {
  for (const Layout layout : kLayouts)
    for (const int64_t step : {1, 7, 11, 60, 210}) {
      TestArray y(DType::i32, {2, 3, 5, 7}, layout);
      const StridedLoops<1> loops({&y.array()});
      ASSERT_EQ(loops.numel(), 210);
      for (int64_t at = 0; at < 210; at += step)
        loops.walk(at, std::min<int64_t>(210, at + step), [](const Block<1>& b) {
          for (int64_t r = 0; r < b.rows; ++r)
            for (int64_t i = 0; i < b.count; ++i) b.row<int32_t>(0, r)[i * b.stride[0]] += 1;
        });
      EXPECT_THAT(y.values(), testing::Each(1));
      EXPECT_TRUE(y.guards_intact());
    }
}

TEST(StridedLoops, LoopsOverTheAskedDimensionsOnly) {
  const TestArray x(DType::f32, {2, 3, 4});
  const StridedLoops<1> loops({&x.array()}, LoopOrder::memory, 0b101);
  EXPECT_EQ(loops.numel(), 8);
  EXPECT_FALSE(loops.single_run());
}

TEST(StridedLoops, ScalarsAndEmptyArrays) {
  const TestArray scalar(DType::f32, {}), empty(DType::f32, {3, 0, 2});
  int calls = 0;
  for_each_block<1>({&scalar.array()}, [&](const Block<1>& b) { calls += b.count == 1 && b.rows == 1; });
  EXPECT_EQ(calls, 1);
  for_each_block<1>({&empty.array()}, [&](const Block<1>&) { ++calls; });
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace ingot::kernels
