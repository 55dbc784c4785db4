#include <gmock/gmock.h>
#include <sys/resource.h>
#include <xmmintrin.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <set>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/file.h"
#include "base/isa.h"
#include "base/parallel.h"
#include "base/philox.h"
#include "base/text.h"
#include "error_of.h"
#include "ingot/dtype.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST(Check, ThrowsWithItsText) {
  try {
    CHECK(1 > 2, "{} is not above {}", 1, 2);
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "1 is not above 2");
  }
}

TEST(Dtype, Bf16RoundsToNearestEvenAndKeepsNan) {
  EXPECT_EQ(float(bf16(1.f)), 1.f);
  EXPECT_EQ(bf16(std::bit_cast<float>(0x3f808000u)).bits, 0x3f80);  // half way: to even
  EXPECT_EQ(bf16(std::bit_cast<float>(0x3f818000u)).bits, 0x3f82);
  EXPECT_TRUE(std::isnan(float(bf16(std::bit_cast<float>(0x7f800001u)))));
  EXPECT_EQ(float(bf16(INFINITY)), INFINITY);
}

TEST(Dtype, F16KeepsEveryValueAndRoundsTheRest) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    f16 h;
    h.bits = static_cast<uint16_t>(bits);
    if (std::isnan(float(h))) continue;
    ASSERT_EQ(f16(float(h)).bits, h.bits) << bits;
  }
  EXPECT_EQ(float(f16(65519.f)), 65504.f);
  EXPECT_EQ(float(f16(65520.f)), INFINITY);
  EXPECT_EQ(f16(0x1p-25f).bits, 0);  // half of the least: to even
  EXPECT_EQ(f16(0x1.8p-25f).bits, 1);
  EXPECT_TRUE(std::isnan(float(f16(NAN))));
}

TEST(Parallel, CoversEveryIndexOnce) {
  for (const int64_t count : {0, 1, 2, 3, 7, 100, 1001}) {
    std::vector<std::atomic<int>> hits(static_cast<size_t>(count));
    parallel_for(count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) ++hits[static_cast<size_t>(i)];
    });
    for (const auto& h : hits) EXPECT_EQ(h, 1);
  }
}

TEST(Parallel, NestedCallsStayOnTheirThread) {
  std::atomic<int> total = 0;
  parallel_parts(4, [&](int64_t) {
    parallel_for(10, 1, [&](int64_t begin, int64_t end) { total += static_cast<int>(end - begin); });
  });
  EXPECT_EQ(total, 40);
}

TEST(Parallel, EveryJobRunsOnceWhoeverIsSlow) {
  const int before = num_threads();
  for (const int threads : {1, 2, 4})
    for (const int64_t jobs : {0, 1, 3, 100}) {
      set_num_threads(threads);
      std::vector<std::atomic<int>> runs(static_cast<size_t>(jobs));
      parallel_jobs(jobs, [&](int64_t job, int thread) {
        EXPECT_LT(thread, threads);
        if (thread == 0) std::this_thread::sleep_for(std::chrono::microseconds(100));
        ++runs[static_cast<size_t>(job)];
      });
      for (const auto& count : runs) EXPECT_EQ(count, 1);
    }
  set_num_threads(before);
  EXPECT_THROW(parallel_jobs(8, [](int64_t job, int) { job == 5 ? throw Error("job 5") : void(); }), Error);
}

TEST(Parallel, RethrowsAndStaysUsable) {
  EXPECT_THROW(parallel_for(100, 1,
                            [](int64_t begin, int64_t) {
                              CHECK(begin == 0, "part {}", begin);
                              fail("first");
                            }),
               Error);
  std::atomic<int64_t> sum = 0;
  parallel_for(100, 1, [&](int64_t begin, int64_t end) { sum += end - begin; });
  EXPECT_EQ(sum, 100);
}

TEST(Parallel, FlushDenormalsIsScoped) {
  const auto halved = [] {
    volatile float least = 0x1p-126f;
    return float(least) * 0.5f;
  };
  EXPECT_GT(halved(), 0.f);
  {
    const FlushDenormals scope;
    std::atomic<int> flushed = 0;
    parallel_parts(num_threads(), [&](int64_t) { flushed += halved() == 0.f; });
    EXPECT_EQ(flushed, num_threads());
  }
  std::atomic<int> kept = 0;
  parallel_parts(num_threads(), [&](int64_t) { kept += halved() > 0.f; });
  EXPECT_EQ(kept, num_threads());
}

TEST(Threads, CountIsCheckedAndBoundedByTheMachine) {
  EXPECT_GE(available_cpus(), 1);
  EXPECT_THROW(set_num_threads(0), Error);
}

// Known answers of Philox 4x32-10 from Random123's kat_vectors (Salmon et al. 2011).
TEST(Philox, GivesThePublishedWords) {
  EXPECT_THAT(philox(RandomKey{0}, 0, 0), testing::ElementsAre(0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u));
  EXPECT_THAT(philox(RandomKey{~uint64_t{0}}, ~uint64_t{0}, ~uint64_t{0}),
              testing::ElementsAre(0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu));
}

TEST(Random, KeysDifferByPurposeNameAndDraw) {
  std::set<uint64_t> keys;
  for (const char* purpose : {"shuffle", "init"})
    for (const char* name : {"a", "b"})
      for (const uint64_t seed : {0, 1}) keys.insert(random_key(seed, purpose, name).value);
  SeedScope scope(3);
  keys.insert(Generator::current().next("init").value);
  keys.insert(Generator::current().next("init").value);
  EXPECT_EQ(keys.size(), 10u);
}

TEST(Random, ScopesNestAndRepeat) {
  const auto draw = [](uint64_t seed) {
    const SeedScope scope(seed);
    return Generator::current().next("x").value;
  };
  const SeedScope outer(1);
  const uint64_t first = Generator::current().next("x").value;
  EXPECT_EQ(draw(5), draw(5));
  EXPECT_NE(Generator::current().next("x").value, first);
}

TEST(Text, SuggestsNearNamesOnly) {
  const std::vector<std::string> names{"momentum", "lr", "weight_decay"};
  EXPECT_EQ(did_you_mean("momentun", names), "; did you mean 'momentum'?");
  EXPECT_EQ(did_you_mean("zzzzzzzz", names), "");
}

class Files : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_ = fs::temp_directory_path() / ("ingot_files_" + std::to_string(getpid()));
};

TEST_F(Files, WritesAllOrNothing) {
  const fs::path path = folder_ / "a";
  write_file_atomic(path, "old");
  EXPECT_THROW(write_file_atomic(path,
                                 [](const ByteSink& sink) {
                                   sink(std::as_bytes(std::span("new", 3)));
                                   fail("the writer fails");
                                 }),
               Error);
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1) << "a temporary file stayed";
}

// A file-size limit stands for a full disk.
TEST_F(Files, AFullDiskLeavesTheOldFile) {
  const fs::path path = folder_ / "a";
  write_file_atomic(path, "old");
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 4096, .rlim_max = before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string message = error_of([&] { write_file_atomic(path, std::string(100000, 'x')); });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(message, HasSubstr("cannot write"));
  EXPECT_EQ(read_file(path), "old");
}

TEST_F(Files, NamesPathAndReason) {
  EXPECT_THAT(error_of([&] { read_file(folder_ / "none"); }), HasSubstr("none: No such file"));
  EXPECT_THAT(error_of([&] { read_file(folder_); }), HasSubstr("not a regular file"));
  EXPECT_THAT(error_of([&] { write_file_atomic(folder_ / "no" / "x", "y"); }),
              HasSubstr("no/x: cannot write: No such file"));
}

TEST_F(Files, MappedMemoryCanBeWrittenTheFileStays) {
  write_file_atomic(folder_ / "m", "abc");
  {
    const MappedFile file(folder_ / "m");
    ASSERT_EQ(file.bytes().size(), 3u);
    file.bytes()[0] = std::byte{'z'};
    EXPECT_EQ(file.bytes()[0], std::byte{'z'});
  }
  EXPECT_EQ(read_file(folder_ / "m"), "abc");
}

TEST(IsaTier, IsNeverAboveTheMachine) {
  EXPECT_LE(active_isa(), detected_isa());
  EXPECT_FALSE(cpu_name().empty());
}

}  // namespace
}  // namespace ingot
