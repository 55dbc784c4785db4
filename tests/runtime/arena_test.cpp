#include "runtime/arena.h"

#include <gtest/gtest.h>

#include <random>

#include "cases.h"

namespace ingot {
namespace {

TEST(Arena, SharesWhatIsNotNeededAtOneTime) {
  std::vector<Lifetime> chain{{100, 0, 1}, {100, 1, 2}, {100, 2, 3}, {100, 3, 4}};
  EXPECT_EQ(place_in_arena(chain), 256);
  EXPECT_TRUE(is_disjoint(chain));
}

TEST(Arena, FillsTheTightestGap) {
  // The two large ones meet and lie side by side; when the first has gone, its place holds the other two.
  std::vector<Lifetime> l{{1024, 0, 3}, {896, 2, 9}, {640, 4, 9}, {320, 4, 5}};
  EXPECT_EQ(place_in_arena(l), 1920);
  EXPECT_TRUE(is_disjoint(l));
  EXPECT_EQ(l[2].offset, 0);
  EXPECT_EQ(l[3].offset, 640);
}

TEST(Arena, NothingTakesNothing) {
  std::vector<Lifetime> none, empty{{0, 0, 3}};
  EXPECT_EQ(place_in_arena(none), 0);
  EXPECT_EQ(place_in_arena(empty), 0);
}

TEST(Arena, RandomLifetimesNeverCollide) {
  std::mt19937 random(1);
  for (int round = 0; round < test::cases(200); ++round) {
    std::vector<Lifetime> lifetimes;
    int64_t at_once = 0;
    for (int i = 0; i < 40; ++i) {
      const auto first = static_cast<int32_t>(random() % 30);
      lifetimes.push_back({static_cast<int64_t>(random() % 5000), first, first + static_cast<int32_t>(random() % 8)});
    }
    const int64_t total = place_in_arena(lifetimes);
    ASSERT_TRUE(is_disjoint(lifetimes));
    for (int32_t step = 0; step < 40; ++step) {
      int64_t bytes = 0;
      for (const Lifetime& l : lifetimes) {
        ASSERT_EQ(l.offset % kArenaAlignment, 0);
        ASSERT_LE(l.offset + l.bytes, total);
        if (l.first <= step && step <= l.last) bytes += l.bytes;
      }
      at_once = std::max(at_once, bytes);
    }
    ASSERT_LE(total, at_once * 3 / 2);
  }
}

}  // namespace
}  // namespace ingot
