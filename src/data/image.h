#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "ingot/tensor.h"

namespace ingot {

/// [C,H,W] with the pixels' channels side by side, as decoders give images and batches want them.
Tensor empty_image(int64_t channels, int64_t height, int64_t width, DType dtype = DType::u8);

/// An image file's bytes to pixels; `name` is what errors call it.
Tensor decode_png(std::span<const std::byte> file, const std::string& name, int64_t max_pixels);
Tensor decode_jpeg(std::span<const std::byte> file, const std::string& name, int64_t max_pixels);

/// Throws Error where a file declares more pixels than are allowed, or than its bytes can hold.
void check_pixels(int64_t width, int64_t height, int64_t max_pixels, uint64_t most_in_file,
                  std::span<const std::byte> file, const std::string& name);

}  // namespace ingot
