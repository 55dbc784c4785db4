#include <spng.h>

#include <array>
#include <limits>
#include <memory>

#include "base/check.h"
#include "base/file.h"
#include "data/copy.h"
#include "data/image.h"
#include "ingot/image_io.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

constexpr size_t kMaxChunkBytes = size_t{1} << 24;  // of one ancillary chunk, and of all that are kept
constexpr uint64_t kMaxRatio = 1032;                // DEFLATE's, see idx.cpp
constexpr int kCompression = 6;

using Context = std::unique_ptr<spng_ctx, void (*)(spng_ctx*)>;

void check(int code, const std::string& path) {
  CHECK(code == SPNG_OK, "{}: not a sound PNG: {}", path, spng_strerror(code));
}

bool is_grey(uint8_t color_type) {
  return color_type == SPNG_COLOR_TYPE_GRAYSCALE || color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA;
}

}  // namespace

Tensor decode_png(std::span<const std::byte> file, const std::string& name, int64_t max_pixels) {
  const Context context(spng_ctx_new(0), spng_ctx_free);
  CHECK(context != nullptr, "{}: out of memory", name);
  check(spng_set_chunk_limits(context.get(), kMaxChunkBytes, kMaxChunkBytes), name);
  check(spng_set_crc_action(context.get(), SPNG_CRC_ERROR, SPNG_CRC_ERROR), name);
  check(spng_set_png_buffer(context.get(), file.data(), file.size()), name);
  spng_ihdr header{};
  check(spng_get_ihdr(context.get(), &header), name);
  check_pixels(header.width, header.height, max_pixels, file.size() * kMaxRatio * 8, file, name);  // a bit a pixel

  // libspng has no 8-bit grey output for 16 bits or with alpha: those are decoded as colour, one channel of which is
  // kept.
  const bool grey = is_grey(header.color_type);
  const bool direct = grey && header.color_type == SPNG_COLOR_TYPE_GRAYSCALE && header.bit_depth <= 8;
  const int format = direct ? SPNG_FMT_G8 : SPNG_FMT_RGB8;
  Tensor image = empty_image(direct ? 1 : 3, header.height, header.width);
  const Array pixels_out = array_of(image);
  check(spng_decode_image(context.get(), pixels_out.data, static_cast<size_t>(pixels_out.numel()), format, 0), name);
  check(spng_decode_chunks(context.get()), name);  // what follows the pixels must be sound too
  if (!grey || direct) return image;
  const Tensor one = empty_image(1, header.height, header.width);
  Array first = pixels_out;
  first.shape[0] = 1;
  copy_elements(first, array_of(one));
  return one;
}

Tensor read_png(const std::filesystem::path& path, int64_t max_pixels) {
  const MappedFile file(path);
  return decode_png(file.bytes(), path.string(), max_pixels);
}

std::string encode_png(const Tensor& image) {
  CHECK(
      image.defined() && image.dtype() == DType::u8 && image.rank() == 3 && (image.size(0) == 1 || image.size(0) == 3),
      "a PNG is written from u8 [1,H,W] or [3,H,W], not {}",
      image.defined() ? fmt::format("{} {}", name_of(image.dtype()), to_string(image.shape())) : "an undefined tensor");
  const int64_t channels = image.size(0), height = image.size(1), width = image.size(2);
  CHECK(height > 0 && width > 0 && height <= INT32_MAX && width <= INT32_MAX, "an image of {} x {} is no PNG", height,
        width);
  const Tensor dense = empty_image(channels, height, width);
  copy_elements(array_of(image), array_of(dense));

  const Context context(spng_ctx_new(SPNG_CTX_ENCODER), spng_ctx_free);
  CHECK(context != nullptr, "out of memory");
  spng_ihdr header{
      .width = static_cast<uint32_t>(width),
      .height = static_cast<uint32_t>(height),
      .bit_depth = 8,
      .color_type = static_cast<uint8_t>(channels == 1 ? SPNG_COLOR_TYPE_GRAYSCALE : SPNG_COLOR_TYPE_TRUECOLOR)};
  const auto check_write = [&](int code) { CHECK(code == SPNG_OK, "cannot encode a PNG: {}", spng_strerror(code)); };
  check_write(spng_set_option(context.get(), SPNG_ENCODE_TO_BUFFER, 1));
  check_write(spng_set_option(context.get(), SPNG_IMG_COMPRESSION_LEVEL, kCompression));
  check_write(spng_set_ihdr(context.get(), &header));
  check_write(spng_encode_image(context.get(), array_of(dense).data, static_cast<size_t>(channels * height * width),
                                SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE));
  size_t bytes = 0;
  int code = 0;
  const std::unique_ptr<void, void (*)(void*)> encoded(spng_get_png_buffer(context.get(), &bytes, &code), std::free);
  check_write(code);
  return {static_cast<const char*>(encoded.get()), bytes};
}

void write_png(const std::filesystem::path& path, const Tensor& image) {
  std::string bytes;
  try {
    bytes = encode_png(image);
  } catch (const Error& e) {
    fail("{}: {}", path.string(), e.what());
  }
  write_file_atomic(path, bytes);
}

}  // namespace ingot
