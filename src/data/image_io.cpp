#include "ingot/image_io.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/file.h"
#include "data/image.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

constexpr std::string_view kPngStart = "\x89PNG", kJpegStart = "\xff\xd8\xff";

bool starts_with(std::span<const std::byte> bytes, std::string_view start) {
  return bytes.size() >= start.size() && std::memcmp(bytes.data(), start.data(), start.size()) == 0;
}

Tensor decode(std::span<const std::byte> file, const std::string& name, int64_t max_pixels) {
  CHECK(!file.empty(), "{}: is empty", name);
  if (starts_with(file, kPngStart)) return decode_png(file, name, max_pixels);
  if (starts_with(file, kJpegStart)) return decode_jpeg(file, name, max_pixels);
  std::string first;
  for (const std::byte b : file.first(std::min(file.size(), kPngStart.size())))
    first += fmt::format(" {:02x}", static_cast<unsigned>(b));
  fail("{}: neither a PNG nor a JPEG: begins with{}", name, first);
}

uint8_t luma(const uint8_t* rgb) {
  constexpr uint32_t kRed = 19595, kGreen = 38470, kBlue = 7471, kHalf = 0x8000;
  return static_cast<uint8_t>((kRed * rgb[0] + kGreen * rgb[1] + kBlue * rgb[2] + kHalf) >> 16);
}

Tensor to_gray(const Tensor& image) {
  if (image.size(0) == 1) return image;
  const Tensor out = empty_image(1, image.size(1), image.size(2));
  const auto* from = array_of(image).as<const uint8_t>();
  auto* to = array_of(out).as<uint8_t>();
  for (int64_t i = 0, pixels = out.numel(); i < pixels; ++i) to[i] = luma(from + 3 * i);
  return out;
}

Tensor to_rgb(const Tensor& image) {
  if (image.size(0) == 3) return image;
  const Tensor out = empty_image(3, image.size(1), image.size(2));
  const auto* from = array_of(image).as<const uint8_t>();
  auto* to = array_of(out).as<uint8_t>();
  for (int64_t i = 0, values = out.numel(); i < values; ++i) to[i] = from[i / 3];
  return out;
}

}  // namespace

Tensor empty_image(int64_t channels, int64_t height, int64_t width, DType dtype) {
  const Tensor memory = empty({height, width, channels}, dtype);
  return make_tensor(memory.impl()->storage, 0, {channels, height, width}, {1, width * channels, channels}, dtype);
}

void check_pixels(int64_t width, int64_t height, int64_t max_pixels, uint64_t most_in_file,
                  std::span<const std::byte> file, const std::string& name) {
  const int64_t pixels = width * height;
  CHECK(pixels <= max_pixels, "{}: {} x {} pixels, at most {} are allowed", name, width, height, max_pixels);
  CHECK(static_cast<uint64_t>(pixels) <= most_in_file, "{}: {} x {} pixels cannot be in a file of {} bytes", name,
        width, height, file.size());
}

Tensor read_image(const std::filesystem::path& path, const ImageReadOptions& options) {
  const MappedFile file(path);
  Tensor image = decode(file.bytes(), path.string(), options.max_pixels);
  switch (options.mode) {
    case ImageReadMode::gray:
      return to_gray(image);
    case ImageReadMode::rgb:
      return to_rgb(image);
    case ImageReadMode::unchanged:
      break;
  }
  return image;
}

}  // namespace ingot
