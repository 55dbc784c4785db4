#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "ingot/tensor.h"

// Image files. Images are u8 [1,H,W] (grey) or [3,H,W] (colour) with the channels of a pixel side by side in memory.
namespace ingot {

/// What a file's colours become; torchvision's ImageReadMode.
enum class ImageReadMode : uint8_t {
  unchanged,  // as the file has them
  gray,       // colour becomes (19595 R + 38470 G + 7471 B) / 65536, rounded: ITU-R BT.601 as Pillow has it
  rgb         // grey becomes three equal channels
};

struct ImageReadOptions {
  ImageReadMode mode = ImageReadMode::unchanged;
  int64_t max_pixels = int64_t{1} << 28;
};

/// A PNG or JPEG file, whatever its name ends in: its first bytes tell which. Throws Error with the path where it is
/// neither, and as read_png and read_jpeg do.
Tensor read_image(const std::filesystem::path& path, const ImageReadOptions& options = {});

/// A PNG image. Palettes become colour, 16 bits become 8, transparency is dropped. Throws Error with the path for
/// anything that is not a sound PNG of at most `max_pixels`.
Tensor read_png(const std::filesystem::path& path, int64_t max_pixels = ImageReadOptions{}.max_pixels);

/// A JPEG image, baseline or progressive, by libjpeg-turbo's exact integer DCT and smooth upsampling: the pixels are
/// those of Pillow. CMYK, which is taken to be inverted as Adobe writes it, becomes colour. The orientation in EXIF
/// data is not applied, nor are colour profiles, as in torchvision. Throws Error with the path for anything that is not
/// a sound JPEG of at most `max_pixels`: what libjpeg-turbo only warns of counts as damage where pixels are lost.
Tensor read_jpeg(const std::filesystem::path& path, int64_t max_pixels = ImageReadOptions{}.max_pixels);

/// The bytes of a PNG file of u8 [1,H,W] or [3,H,W], any strides.
std::string encode_png(const Tensor& image);
void write_png(const std::filesystem::path& path, const Tensor& image);

}  // namespace ingot
