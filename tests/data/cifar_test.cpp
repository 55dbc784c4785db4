#include <gmock/gmock.h>

#include "base/file.h"
#include "data/scratch.h"
#include "ingot/file_datasets.h"

namespace ingot {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr size_t kPlane = 32 * 32;

/// A record whose pixel i of plane c is (seed + c + i) % 256.
std::string record(const std::vector<uint8_t>& labels, int seed) {
  std::string out(labels.begin(), labels.end());
  for (size_t c = 0; c < 3; ++c)
    for (size_t i = 0; i < kPlane; ++i) out += static_cast<char>(static_cast<size_t>(seed) + c + i);
  return out;
}

class CifarTest : public testing::Test {
 protected:
  void SetUp() override {
    root = scratch("cifar");
    std::filesystem::remove_all(root);
    std::filesystem::create_directories(root);
    for (int i = 1; i <= 5; ++i)
      write("data_batch_" + std::to_string(i) + ".bin", record({static_cast<uint8_t>(i)}, 10 * i));
    write("test_batch.bin", record({9}, 3) + record({0}, 4));
    write("train.bin", record({19, 99}, 1) + record({3, 7}, 2));
    write("test.bin", record({4, 2}, 1));
  }
  void write(const std::string& name, const std::string& content) const { write_file_atomic(root / name, content); }

  std::filesystem::path root;
};

TEST_F(CifarTest, ReadsPlanesAndLabels) {
  const Cifar10 train(root), test(root, false);
  EXPECT_THAT(train.targets().to_vector<int64_t>(), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(test.targets().to_vector<int64_t>(), ElementsAre(9, 0));
  EXPECT_EQ(train.inputs().shape(), Shape({5, 3, 32, 32}));
  const auto second = train.get(1).input.to_vector<int>();
  for (size_t c = 0; c < 3; ++c)
    for (size_t i = 0; i < kPlane; ++i) ASSERT_EQ(second[c * kPlane + i], static_cast<int>((20 + c + i) % 256));
  EXPECT_EQ(train.get(1).input.strides()[0], 1);  // a pixel's channels side by side, as batches want them
  EXPECT_THAT(Cifar100(root).targets().to_vector<int64_t>(), ElementsAre(99, 7));
  const Cifar100 coarse(root, true, OnError::raise, CifarLabels::coarse);
  EXPECT_THAT(coarse.targets().to_vector<int64_t>(), ElementsAre(19, 3));
  EXPECT_EQ(coarse.get(1).input.to_vector<int>()[0], 2);
  EXPECT_EQ(Cifar100(root, false).size(), 1);
}

TEST_F(CifarTest, FindsTheFoldersOfTheArchives) {
  std::filesystem::create_directories(root / "in" / "cifar-10-batches-bin");
  std::filesystem::create_directories(root / "in" / "cifar-100-binary");
  std::filesystem::rename(root / "test_batch.bin", root / "in/cifar-10-batches-bin/test_batch.bin");
  std::filesystem::rename(root / "test.bin", root / "in/cifar-100-binary/test.bin");
  EXPECT_EQ(Cifar10(root / "in", false).size(), 2);
  EXPECT_EQ(Cifar100(root / "in", false).size(), 1);
  EXPECT_EQ(error_of([&] { Cifar10(root / "in", true); }),
            (root / "in").string() + ": neither data_batch_1.bin nor cifar-10-batches-bin/data_batch_1.bin is there");
}

TEST_F(CifarTest, ClassesHaveNames) {
  EXPECT_EQ(Cifar10::class_names().size(), 10u);
  EXPECT_EQ(Cifar10::class_names()[6], "frog");
  EXPECT_EQ(Cifar100::class_names().size(), 100u);
  EXPECT_EQ(Cifar100::class_names()[99], "worm");
  EXPECT_TRUE(std::is_sorted(Cifar100::class_names().begin(), Cifar100::class_names().end()));
  EXPECT_EQ(Cifar100::class_names(CifarLabels::coarse)[4], "fruit_and_vegetables");
}

TEST_F(CifarTest, DamageIsRefusedWithPathIndexAndReason) {
  const std::string path = (root / "data_batch_3.bin").string();
  write("data_batch_3.bin", record({1}, 0) + record({2}, 0).substr(0, 100));
  EXPECT_EQ(error_of([&] { Cifar10{root}; }), path + ": truncated in record 1: 100 of 3073 bytes");
  EXPECT_EQ(error_of([&] { Cifar10(root, true, OnError::skip); }), path + ": truncated in record 1: 100 of 3073 bytes");
  write("data_batch_3.bin", "");
  EXPECT_EQ(error_of([&] { Cifar10{root}; }), path + ": is empty");
  write("data_batch_3.bin", record({1}, 0) + record({10}, 0));
  EXPECT_EQ(error_of([&] { Cifar10{root}; }), path + ": label 10 of record 1 is outside [0, 10)");
  std::filesystem::remove(path);
  EXPECT_THAT(error_of([&] { Cifar10{root}; }), AllOf(HasSubstr(path), HasSubstr("No such file")));
  write("test.bin", record({20, 3}, 0));
  EXPECT_THAT(error_of([&] { Cifar100(root, false); }), HasSubstr("test.bin: label 20 of record 0 is outside [0, 20)"));
  write("test.bin", record({2, 100}, 0));
  EXPECT_THAT(error_of([&] { Cifar100(root, false); }), HasSubstr("label 100 of record 0 is outside [0, 100)"));
  EXPECT_THAT(error_of([] { Cifar10{std::string(300, 'a')}; }), HasSubstr("neither data_batch_1.bin nor"));
}

TEST_F(CifarTest, BadLabelsCanBeLeftOut) {
  write("data_batch_2.bin", record({77}, 0) + record({6}, 60));
  write("data_batch_5.bin", record({78}, 0));
  testing::internal::CaptureStderr();
  const Cifar10 train(root, true, OnError::skip);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("2 of 6 samples are left out, the first: " + (root / "data_batch_2.bin").string() +
                        ": label 77 of record 0 is outside [0, 10)"));
  EXPECT_EQ(train.skipped(), 2);
  EXPECT_THAT(train.targets().to_vector<int64_t>(), ElementsAre(1, 6, 3, 4));
  EXPECT_EQ(train.get(1).input.to_vector<int>()[0], 60);
  EXPECT_EQ(train.inputs().layout(), Layout::channels_last);
  write("test_batch.bin", record({77}, 0));
  EXPECT_THAT(error_of([&] { Cifar10(root, false, OnError::skip); }), HasSubstr("all 1 samples are bad, the first: "));
}

}  // namespace
}  // namespace ingot
