#include "dist/gradient_thread.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "error_of.h"

namespace ingot {
namespace {

// With a thread of its own, and without, as where MPI lets a rank communicate from one thread only.
TEST(GradientThread, RunsJobsInOrder) {
  for (const bool concurrent : {true, false}) {
    GradientThread thread(concurrent);
    for (int round = 0; round < 3; ++round) {
      std::vector<int> done;
      std::vector<std::thread::id> where;
      for (int i = 0; i < 20; ++i)
        thread.add([&, i] {
          done.push_back(i);
          where.push_back(std::this_thread::get_id());
        });
      EXPECT_TRUE(concurrent || done.empty());
      thread.wait();
      ASSERT_EQ(done.size(), 20u);
      for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(done[static_cast<size_t>(i)], i);
        EXPECT_EQ(where[static_cast<size_t>(i)] == std::this_thread::get_id(), !concurrent);
      }
    }
  }
}

TEST(GradientThread, TheFirstErrorComesOutAndTheRestIsDropped) {
  for (const bool concurrent : {true, false}) {
    GradientThread thread(concurrent);
    bool ran = false;
    thread.add([] { throw Error("lost"); });
    if (concurrent) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    thread.add([&] { ran = true; });
    EXPECT_EQ(error_of([&] { thread.wait(); }), "lost");
    EXPECT_FALSE(ran);
    thread.add([&] { ran = true; });
    thread.wait();
    EXPECT_TRUE(ran);
  }
}

}  // namespace
}  // namespace ingot
