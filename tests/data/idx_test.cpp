#include <gmock/gmock.h>
#include <zlib.h>

#include "base/file.h"
#include "data/scratch.h"
#include "ingot/file_datasets.h"

namespace ingot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string big_endian(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

std::string idx_file(char code, const std::vector<uint32_t>& sizes, const std::string& data) {
  std::string out{0, 0, code, static_cast<char>(sizes.size())};
  for (const uint32_t size : sizes) out += big_endian(size);
  return out + data;
}

std::string gzipped(const std::string& content) {
  const auto path = scratch("packed.gz");
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, content.data(), static_cast<unsigned>(content.size()));
  gzclose(file);
  return read_file(path);
}

std::string refusal(const std::string& content, size_t max_bytes = size_t{1} << 32) {
  const auto path = scratch("bad-idx");
  write_file_atomic(path, content);
  const std::string error = error_of([&] { read_idx(path, max_bytes); });
  EXPECT_THAT(error, testing::StartsWith(path.string() + ": "));
  return error;
}

TEST(Idx, ReadsEveryTypePlainAndGzipped) {
  const auto path = scratch("good-idx");
  for (const bool packed : {false, true}) {
    const auto read = [&](const std::string& content) {
      write_file_atomic(path, packed ? gzipped(content) : content);
      return read_idx(path);
    };
    EXPECT_THAT(read(idx_file(8, {2, 2}, "\x01\x02\x03\xff")).to_vector<int>(), ElementsAre(1, 2, 3, 255));
    EXPECT_THAT(read(idx_file(9, {2}, "\x01\xff")).to_vector<int>(), ElementsAre(1, -1));
    EXPECT_THAT(read(idx_file(12, {2}, big_endian(7) + big_endian(uint32_t(-2)))).to_vector<int>(), ElementsAre(7, -2));
    EXPECT_THAT(read(idx_file(13, {1}, big_endian(std::bit_cast<uint32_t>(1.5f)))).to_vector<float>(),
                ElementsAre(1.5f));
    EXPECT_EQ(read(idx_file(14, {1}, big_endian(0x3ff80000) + big_endian(0))).item<double>(), 1.5);
    EXPECT_EQ(read(idx_file(8, {0, 28, 28}, "")).shape(), Shape({0, 28, 28}));
  }
}

TEST(Idx, DamageIsRefusedWithItsReason) {
  const std::string good = idx_file(8, {2, 3}, "abcdef");
  for (size_t length = 0; length < good.size(); ++length) refusal(good.substr(0, length));
  EXPECT_THAT(refusal(""), HasSubstr("too short for an IDX file"));
  EXPECT_THAT(refusal("\x89PNG...."), HasSubstr("magic number 89504e47 is not an IDX file's"));
  EXPECT_THAT(refusal(idx_file(11, {1}, "ab")), HasSubstr("type code 0x0b"));
  EXPECT_THAT(refusal(std::string{0, 0, 8, 0}), HasSubstr("0 dimensions"));
  EXPECT_THAT(refusal(good.substr(0, 10)), HasSubstr("truncated in its sizes"));
  EXPECT_THAT(refusal(good.substr(0, 17)), HasSubstr("truncated in item 1 of 2: 5 of 6 bytes"));
  EXPECT_THAT(refusal(idx_file(8, {200, 3}, "abcdef")),
              HasSubstr("truncated: sizes [200, 3] need 600 bytes, a file of 18"));
  EXPECT_THAT(refusal(good + "!"), HasSubstr("more bytes follow the 6 that sizes [2, 3] need"));
  EXPECT_THAT(refusal(good, 5), HasSubstr("at most 5 are allowed"));
  EXPECT_THAT(refusal(idx_file(8, {0xffffffff, 2}, "")), HasSubstr("at most 4294967296 are allowed"));
  EXPECT_THAT(refusal(idx_file(8, {0xffffffff, 0xffffffff}, "")), HasSubstr("too large"));
  EXPECT_THAT(refusal(idx_file(8, {0, 0xffffffff, 0xffffffff}, "")), HasSubstr("too large"));
  EXPECT_THAT(refusal(idx_file(8, {0xffffffff, 0xffffffff, 0xffffffff}, "")), HasSubstr("too large"));
  EXPECT_THAT(error_of([] { read_idx("/no/such/file"); }), HasSubstr("/no/such/file: no such file"));
  EXPECT_THAT(error_of([] { read_idx(std::string(300, 'a')); }), HasSubstr("aaa: no such file"));
}

TEST(Idx, DamagedGzipIsRefused) {
  const std::string content = idx_file(8, {100, 3}, std::string(300, 'x'));
  const std::string packed = gzipped(content);
  for (size_t length = 0; length < packed.size(); ++length) refusal(packed.substr(0, length));
  std::string flipped = packed;
  flipped[packed.size() - 6] ^= 1;  // in the CRC
  EXPECT_THAT(refusal(flipped), HasSubstr("damaged: "));
  EXPECT_THAT(refusal(gzipped(idx_file(8, {100, 3}, std::string(200, 'x')))),
              HasSubstr("truncated in item 66 of 100: 200 of 300 bytes"));
  EXPECT_THAT(refusal(gzipped(idx_file(8, {1000000, 3}, ""))), HasSubstr("truncated: "));  // before any allocation
}

TEST(Mnist, BadLabelsAndCountsAreRefused) {
  EXPECT_THAT(error_of([] { Mnist{std::string(300, 'a')}; }), HasSubstr("neither train-images-idx3-ubyte.gz nor"));
  const auto root = scratch("mnist");
  std::filesystem::create_directories(root);
  const auto write = [&](const std::string& labels, uint32_t count) {
    write_file_atomic(root / "train-images-idx3-ubyte", idx_file(8, {3, 28, 28}, std::string(3 * 28 * 28, '\x07')));
    write_file_atomic(root / "train-labels-idx1-ubyte", idx_file(8, {count}, labels));
  };
  write({1, 2, 3}, 3);
  EXPECT_THAT(Mnist(root).targets().to_vector<int64_t>(), ElementsAre(1, 2, 3));
  write({1, 10, 3}, 3);
  EXPECT_THAT(error_of([&] { Mnist{root}; }),
              HasSubstr("train-labels-idx1-ubyte: label 10 at index 1 is outside [0, 10)"));
  testing::internal::CaptureStderr();
  const Mnist left(root, true, OnError::skip);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("1 of 3 samples are left out, the first: "));
  EXPECT_THAT(left.targets().to_vector<int64_t>(), ElementsAre(1, 3));
  EXPECT_EQ(left.inputs().shape(), Shape({2, 1, 28, 28}));
  EXPECT_EQ(left.skipped(), 1);
  write({1, 2}, 2);
  EXPECT_THAT(error_of([&] { Mnist{root}; }), HasSubstr("2 labels for 3 images"));
  write({1, 2, 3}, 3);
  write_file_atomic(root / "train-images-idx3-ubyte", idx_file(8, {3, 2, 2}, std::string(12, 'x')));
  EXPECT_THAT(error_of([&] { Mnist{root}; }), HasSubstr("the images are [3, 1, 2, 2], [n, 1, 28, 28] is expected"));
  EXPECT_THAT(error_of([&] { Mnist(root, false); }), HasSubstr("neither t10k-images-idx3-ubyte.gz nor"));
}

TEST(FashionMnist, HoldsTheRealImages) {
  if (!std::filesystem::exists(FashionMnist::kRoot)) GTEST_SKIP() << "Debian's dataset-fashion-mnist is not installed";
  const FashionMnist train, test(false);
  ASSERT_EQ(train.size(), 60000);
  ASSERT_EQ(test.size(), 10000);
  std::vector<int64_t> counts(10);
  for (const int64_t label : train.targets().to_vector<int64_t>()) ++counts[static_cast<size_t>(label)];
  EXPECT_THAT(counts, testing::Each(6000));
  const Sample first = train.get(0);
  EXPECT_EQ(first.input.shape(), Shape({1, 28, 28}));
  EXPECT_EQ(FashionMnist::class_names()[static_cast<size_t>(first.target.item<int64_t>())], "Ankle boot");
  double sum = 0;
  for (const uint8_t pixel : train.inputs().to_vector<uint8_t>()) sum += pixel;
  EXPECT_NEAR(sum / (60000. * 784 * 255), 0.2860, 5e-5);  // the mean that is commonly used to normalise
}

}  // namespace
}  // namespace ingot
