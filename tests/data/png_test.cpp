#include <gmock/gmock.h>
#include <zlib.h>

#include "base/file.h"
#include "data/scratch.h"
#include "ingot/image_io.h"

namespace ingot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string big_endian(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

std::string chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const auto crc =
      static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size())));
  return big_endian(static_cast<uint32_t>(data.size())) + body + big_endian(crc);
}

std::string deflated(const std::string& data) {
  std::string out(compressBound(data.size()), '\0');
  uLongf size = out.size();
  compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(data.data()), data.size());
  return out.substr(0, size);
}

/// A PNG made by hand from raw scanlines, each with its filter byte.
std::string png(uint32_t width, uint32_t height, char depth, char color, const std::string& scanlines,
                const std::string& extra = {}) {
  return std::string("\x89PNG\r\n\x1a\n") +
         chunk("IHDR", big_endian(width) + big_endian(height) + std::string{depth, color, 0, 0, 0}) + extra +
         chunk("IDAT", deflated(scanlines)) + chunk("IEND", "");
}

Tensor read(const std::string& content) {
  const auto path = scratch("image.png");
  write_file_atomic(path, content);
  return read_png(path);
}

std::string refusal(const std::string& content) {
  const std::string error = error_of([&] { read(content); });
  EXPECT_THAT(error, testing::StartsWith(scratch("image.png").string() + ": "));
  return error;
}

TEST(Png, EveryColourTypeBecomesGreyOrColour) {
  using std::string;
  EXPECT_THAT(read(png(2, 1, 8, 0, {0, 5, 9})).to_vector<int>(), ElementsAre(5, 9));          // grey
  EXPECT_THAT(read(png(2, 1, 16, 0, {0, 5, 0, 9, 0})).to_vector<int>(), ElementsAre(5, 9));   // 16-bit grey
  EXPECT_THAT(read(png(2, 1, 8, 4, {0, 5, 77, 9, 77})).to_vector<int>(), ElementsAre(5, 9));  // grey + alpha
  EXPECT_THAT(read(png(8, 1, 1, 0, string{0, '\xa0'})).to_vector<int>(),
              ElementsAre(255, 0, 255, 0, 0, 0, 0, 0));  // 1-bit grey
  const Tensor rgb = read(png(2, 1, 8, 2, {0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(rgb.shape(), Shape({3, 1, 2}));
  EXPECT_THAT(rgb.to_vector<int>(), ElementsAre(1, 4, 2, 5, 3, 6));
  EXPECT_THAT(read(png(1, 1, 8, 6, {0, 1, 2, 3, 77})).to_vector<int>(), ElementsAre(1, 2, 3));  // colour + alpha
  EXPECT_THAT(read(png(2, 1, 8, 3, {0, 1, 0}, chunk("PLTE", {7, 8, 9, 4, 5, 6}))).to_vector<int>(),
              ElementsAre(4, 7, 5, 8, 6, 9));
}

TEST(Png, RoundTripOfAnyStrides) {
  const auto path = scratch("round.png");
  for (const int64_t channels : {1, 3}) {
    Tensor image = empty({channels, 37, 23}, DType::u8);  // row-major: not the order of a PNG
    for (int64_t i = 0; i < image.numel(); ++i) image.mutable_data<uint8_t>()[i] = static_cast<uint8_t>(i * 7);
    write_png(path, image);
    EXPECT_EQ(read_png(path).to_vector<int>(), image.to_vector<int>());
    write_png(path, read_png(path));
    EXPECT_EQ(read_png(path).to_vector<int>(), image.to_vector<int>());
  }
  EXPECT_THAT(error_of([&] { write_png(path, zeros({2, 4, 4}, DType::u8)); }), HasSubstr("not u8 [2, 4, 4]"));
  EXPECT_THAT(error_of([&] { write_png(path, zeros({3, 4, 4})); }), HasSubstr("not f32 [3, 4, 4]"));
  EXPECT_THAT(error_of([&] { write_png(path, zeros({3, 0, 4}, DType::u8)); }), HasSubstr("0 x 4 is no PNG"));
}

TEST(Png, HostileFilesAreRefused) {
  const std::string good = png(4, 3, 8, 2, std::string(3 * 13, '\0'));
  read(good);
  // libspng does not read the CRC of the last chunk, which is always the same.
  for (size_t length = 0; length + 4 < good.size(); ++length) refusal(good.substr(0, length));
  for (size_t at = 0; at + 12 < good.size(); ++at) {  // every bit is under the signature, a length or a CRC
    std::string bad = good;
    bad[at] ^= 4;
    refusal(bad);
  }
  EXPECT_THAT(refusal("not an image"), HasSubstr("not a sound PNG"));
  EXPECT_THAT(refusal(png(60000, 60000, 8, 2, "x")), HasSubstr("60000 x 60000 pixels, at most 268435456 are allowed"));
  EXPECT_THAT(refusal(png(16000, 16000, 8, 0, "x")), HasSubstr("16000 x 16000 pixels cannot be in a file of"));
  EXPECT_THAT(refusal(png(0, 4, 8, 0, "x")), HasSubstr("not a sound PNG"));
  EXPECT_THAT(refusal(png(2, 2, 8, 0, "x")), HasSubstr("not a sound PNG"));  // too few scanlines
}

}  // namespace
}  // namespace ingot
