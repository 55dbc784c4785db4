// jpeglib.h wants FILE and size_t to be known.
#include <cstddef>
#include <cstdio>

#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>
#include <csetjmp>

#include "base/check.h"
#include "base/file.h"
#include "data/image.h"
#include "ingot/image_io.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

// A block of 8 x 8 coefficients takes a bit at least, and sampling factors up to 4 leave half as many blocks as there
// are in one whole channel.
constexpr uint64_t kMostPixelsAByte = 8 * 2 * 64;
// Encoders write about ten. Each may go over the whole image and takes few bytes.
constexpr int kMostScans = 100;

/// Warnings after which every pixel is still what was encoded.
bool is_harmless(int warning) {
  return warning == JWRN_EXTRANEOUS_DATA || warning == JWRN_NOT_SEQUENTIAL || warning == JWRN_JFIF_MAJOR ||
         warning == JWRN_ADOBE_XFORM || warning == JWRN_BOGUS_ICC;
}

/// libjpeg-turbo's decompressor. What goes wrong comes out as Error.
class Decompressor {
 public:
  explicit Decompressor(std::string name) : name_(std::move(name)) {
    info_.err = jpeg_std_error(&errors_);
    errors_.error_exit = leave;
    errors_.emit_message = hear;
    run([](jpeg_decompress_struct& info) { jpeg_create_decompress(&info); });
    progress_.progress_monitor = watch;
    info_.progress = &progress_;
  }
  ~Decompressor() { jpeg_destroy_decompress(&info_); }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;

  /// `calls` may be left by longjmp: what lives in it must not need a destructor.
  template <class Calls>
  void run(const Calls& calls) {
    if (setjmp(errors_.out) == 0) return calls(info_);  // NOLINT: libjpeg's way
    const auto row = info_.output_scanline;
    fail("{}: not a sound JPEG: {}{}", name_, errors_.text,
         row > 0 ? fmt::format(" (row {} of {})", row, info_.output_height) : "");
  }
  const jpeg_decompress_struct& info() const { return info_; }

 private:
  struct Errors : jpeg_error_mgr {
    jmp_buf out;
    char text[JMSG_LENGTH_MAX];
  };
  static void leave(j_common_ptr info) {
    auto* errors = static_cast<Errors*>(info->err);
    errors->format_message(info, errors->text);
    longjmp(errors->out, 1);  // NOLINT: libjpeg's way
  }
  /// Level -1 is a warning, others are for curious people.
  static void hear(j_common_ptr info, int level) {
    if (level < 0 && !is_harmless(info->err->msg_code)) leave(info);
  }
  static void watch(j_common_ptr info) {
    if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMostScans) return;
    auto* errors = static_cast<Errors*>(info->err);
    std::snprintf(errors->text, sizeof errors->text, "more than %d scans", kMostScans);
    longjmp(errors->out, 1);  // NOLINT: libjpeg's way
  }

  std::string name_;
  Errors errors_{};
  jpeg_progress_mgr progress_{};
  jpeg_decompress_struct info_{};
};

/// What the library is asked for; none for colours that it cannot turn into any of these.
J_COLOR_SPACE output_space(J_COLOR_SPACE of_file) {
  switch (of_file) {
    case JCS_GRAYSCALE:
      return JCS_GRAYSCALE;
    case JCS_RGB:
    case JCS_YCbCr:
      return JCS_RGB;
    case JCS_CMYK:
    case JCS_YCCK:
      return JCS_CMYK;
    default:
      return JCS_UNKNOWN;
  }
}

/// The image with the channels that the library gives.
Tensor decode_as_stored(Decompressor& jpeg, int64_t channels) {
  const auto& info = jpeg.info();
  const Tensor out = empty_image(channels, info.image_height, info.image_width);
  auto* pixels = array_of(out).as<uint8_t>();
  const auto stride = static_cast<size_t>(channels) * info.image_width;
  jpeg.run([pixels, stride](jpeg_decompress_struct& d) {
    jpeg_start_decompress(&d);
    while (d.output_scanline < d.output_height) {
      JSAMPROW row = pixels + stride * d.output_scanline;
      jpeg_read_scanlines(&d, &row, 1);
    }
    jpeg_finish_decompress(&d);
  });
  return out;
}

/// Inverted CMYK, 255 being no ink, to colour, with the roundings of Pillow.
Tensor rgb_from_inverted_cmyk(const Tensor& image) {
  const Tensor out = empty_image(3, image.size(1), image.size(2));
  const auto* from = array_of(image).as<const uint8_t>();
  auto* to = array_of(out).as<uint8_t>();
  for (int64_t i = 0, pixels = image.size(1) * image.size(2); i < pixels; ++i, from += 4)
    for (int c = 0; c < 3; ++c) {
      const int light = from[3], ink = 255 - from[c];
      *to++ = static_cast<uint8_t>(light - (ink * light + 127) / 255);
    }
  return out;
}

}  // namespace

Tensor decode_jpeg(std::span<const std::byte> file, const std::string& name, int64_t max_pixels) {
  Decompressor jpeg(name);
  J_COLOR_SPACE space = JCS_UNKNOWN;
  jpeg.run([&](jpeg_decompress_struct& d) {
    jpeg_mem_src(&d, reinterpret_cast<const unsigned char*>(file.data()), file.size());
    jpeg_read_header(&d, TRUE);
    d.out_color_space = space = output_space(d.jpeg_color_space);
  });
  const auto& info = jpeg.info();
  CHECK(space != JCS_UNKNOWN, "{}: a JPEG of {} channels whose colours are not known", name, info.num_components);
  const uint64_t most = info.arith_code ? UINT64_MAX : file.size() * kMostPixelsAByte;  // arithmetic coding: no bound
  check_pixels(info.image_width, info.image_height, max_pixels, most, file, name);
  if (space == JCS_GRAYSCALE) return decode_as_stored(jpeg, 1);
  if (space == JCS_RGB) return decode_as_stored(jpeg, 3);
  return rgb_from_inverted_cmyk(decode_as_stored(jpeg, 4));
}

Tensor read_jpeg(const std::filesystem::path& path, int64_t max_pixels) {
  const MappedFile file(path);
  return decode_jpeg(file.bytes(), path.string(), max_pixels);
}

}  // namespace ingot
