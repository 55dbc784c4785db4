#include <gmock/gmock.h>

#include <fstream>
#include <functional>

#include "base/file.h"
#include "data/scratch.h"
#include "ingot/image_io.h"
#include "ingot/io.h"
#include "jpeg_file.h"

namespace ingot {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;

const TensorMap& golden() {
  static const TensorMap tensors = load_safetensors(INGOT_SOURCE_DIR "/tests/golden/images.safetensors").tensors;
  return tensors;
}

std::string file_of(const std::string& name) {
  const auto bytes = golden().at(name + "/file").to_vector<uint8_t>();
  return {bytes.begin(), bytes.end()};
}

std::filesystem::path write(const std::string& content) {
  const auto path = scratch("image.jpg");
  // A new file each time, which nobody waits for until it is on the disk.
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

std::string refusal(const std::string& content) {
  const auto path = write(content);
  const std::string error = error_of([&] { read_jpeg(path); });
  EXPECT_THAT(error, testing::StartsWith(path.string() + ": "));
  return error;
}

void expect_equal(const Tensor& found, const Tensor& expected, const std::string& what) {
  ASSERT_EQ(found.shape(), expected.shape()) << what;
  EXPECT_EQ(found.to_vector<int>(), expected.to_vector<int>()) << what;
}

Tensor gradient(int64_t channels, int64_t height, int64_t width) {
  std::vector<uint8_t> values;
  for (int64_t i = 0; i < channels * height * width; ++i) values.push_back(static_cast<uint8_t>(i * 3 % 251));
  return from_vector(values, {channels, height, width});
}

/// Every place where the two bytes of height and width are in a file's frame header.
std::string with_size(std::string file, int height, int width) {
  for (size_t at = 0; at + 9 < file.size(); ++at)
    if (file[at] == '\xff' && (file[at + 1] == '\xc0' || file[at + 1] == '\xc2')) {
      file[at + 5] = static_cast<char>(height >> 8), file[at + 6] = static_cast<char>(height);
      file[at + 7] = static_cast<char>(width >> 8), file[at + 8] = static_cast<char>(width);
      return file;
    }
  return file;
}

TEST(Jpeg, PixelsAreThoseOfPillow) {
  for (const char* name : {"420", "422", "444", "gray", "progressive", "turned", "progressive_gray", "cmyk"}) {
    const auto path = write(file_of(name));
    const Tensor wanted = golden().at(std::string(name) + "/out");
    expect_equal(read_jpeg(path), wanted, name);
    expect_equal(read_image(path), wanted, name);
    expect_equal(read_image(path, {.mode = ImageReadMode::gray}), golden().at(std::string(name) + "/gray"), name);
    const Tensor rgb = read_image(path, {.mode = ImageReadMode::rgb});
    EXPECT_EQ(rgb.size(0), 3) << name;
    EXPECT_EQ(rgb.strides()[0], 1) << name;
    if (wanted.size(0) == 3) expect_equal(rgb, wanted, name);
  }
}

TEST(Jpeg, GreyBecomesThreeEqualChannels) {
  const Tensor image = read_image(write(file_of("gray")), {.mode = ImageReadMode::rgb});
  const auto values = image.to_vector<int>(), plane = golden().at("gray/out").to_vector<int>();
  for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], plane[i % plane.size()]);
}

TEST(Jpeg, RestartsArithmeticCodingAndBytesAfterTheEndAreFine) {
  const Tensor image = gradient(3, 40, 50);
  const auto plain = encode_jpeg(image);
  const Tensor wanted = read_jpeg(write(plain));
  expect_equal(read_jpeg(write(encode_jpeg(image, [](auto& info) { info.restart_interval = 2; }))), wanted, "restarts");
  expect_equal(read_jpeg(write(encode_jpeg(image, [](auto& info) { info.arith_code = TRUE; }))), wanted, "arithmetic");
  expect_equal(read_jpeg(write(plain + "a camera's notes")), wanted, "more bytes");
}

TEST(Jpeg, EveryTruncationIsRefused) {
  for (const char* name : {"420", "gray", "progressive", "cmyk"}) {
    const std::string good = file_of(name);
    for (size_t length = 0; length < good.size(); ++length)
      ASSERT_NE(refusal(good.substr(0, length)), "") << name << " cut to " << length;
  }
  const std::string good = file_of("420");
  EXPECT_THAT(refusal(""), HasSubstr("not a sound JPEG: Empty input file"));
  EXPECT_THAT(refusal(good.substr(0, good.size() - 2)), HasSubstr("Premature end of JPEG file"));
  EXPECT_THAT(refusal(good.substr(0, good.size() / 2 + 300)),
              ContainsRegex("not a sound JPEG: Premature end of JPEG file( \\(row [0-9]+ of 29\\))?"));
}

TEST(Jpeg, DamageNeverComesOutAsAnythingButAnError) {
  for (const char* name : {"420", "progressive", "cmyk"}) {
    const std::string good = file_of(name);
    int refused = 0;
    for (size_t at = 2; at < good.size(); ++at)
      for (const char bit : {'\x01', '\x10', '\x80'}) {
        std::string bad = good;
        bad[at] ^= bit;
        refused += error_of([&] { read_jpeg(write(bad)); }).empty() ? 0 : 1;  // a coefficient may as well be another
      }
    EXPECT_GT(refused, 100) << name;
  }
}

TEST(Jpeg, HostileFilesAreRefused) {
  EXPECT_THAT(refusal("not an image"), HasSubstr("not a sound JPEG: Not a JPEG file"));
  EXPECT_THAT(refusal(with_size(file_of("420"), 60000, 60000)),
              HasSubstr("60000 x 60000 pixels, at most 268435456 are allowed"));
  EXPECT_THAT(refusal(with_size(file_of("progressive"), 16000, 16000)),
              HasSubstr("16000 x 16000 pixels cannot be in a file of"));
  EXPECT_THAT(refusal(with_size(file_of("420"), 0, 37)), HasSubstr("not a sound JPEG"));
  EXPECT_THAT(refusal(with_size(file_of("420"), 1000, 37)), HasSubstr("not a sound JPEG"));
  std::string bits12 = file_of("gray");
  bits12[bits12.find("\xff\xc0") + 4] = 12;
  EXPECT_THAT(refusal(bits12), HasSubstr("Unsupported JPEG data precision 12"));
  EXPECT_THAT(error_of([] { read_jpeg("/no/such/file.jpg"); }), HasSubstr("/no/such/file.jpg: No such file"));
}

TEST(Jpeg, TooManyScansAreRefused) {
  std::vector<jpeg_scan_info> scans{{.comps_in_scan = 3, .component_index = {0, 1, 2}}};
  for (int component = 0; component < 3; ++component)
    for (int k = 1; k < DCTSIZE2; ++k)
      scans.push_back({.comps_in_scan = 1, .component_index = {component}, .Ss = k, .Se = k});
  const auto many = encode_jpeg(gradient(3, 16, 16), [&](jpeg_compress_struct& info) {
    info.scan_info = scans.data();
    info.num_scans = static_cast<int>(scans.size());
  });
  EXPECT_THAT(refusal(many), HasSubstr("more than 100 scans"));
}

TEST(Jpeg, OtherColoursAreRefused) {
  EXPECT_THAT(refusal(encode_jpeg(gradient(2, 16, 16))), HasSubstr("a JPEG of 2 channels whose colours are not known"));
}

TEST(ReadImage, TellsFilesByTheirBytes) {
  const auto path = scratch("no_ending");
  write_png(path, gradient(3, 4, 5));
  expect_equal(read_image(path), gradient(3, 4, 5), "png");
  write_file_atomic(path, file_of("420"));
  EXPECT_EQ(read_image(path).shape(), Shape({3, 29, 37}));
  write_file_atomic(path, "GIF89a....");
  EXPECT_EQ(error_of([&] { read_image(path); }), path.string() + ": neither a PNG nor a JPEG: begins with 47 49 46 38");
  write_file_atomic(path, "\xff");
  EXPECT_THAT(error_of([&] { read_image(path); }), HasSubstr("begins with ff"));
  write_file_atomic(path, "");
  EXPECT_THAT(error_of([&] { read_image(path); }), HasSubstr("is empty"));
  write_png(path, gradient(1, 100, 100));
  EXPECT_THAT(error_of([&] { read_image(path, {.max_pixels = 9999}); }),
              HasSubstr("100 x 100 pixels, at most 9999 are allowed"));
}

}  // namespace
}  // namespace ingot
