#pragma once

// jpeglib.h wants FILE and size_t to be known.
#include <cstddef>
#include <cstdio>

#include <jpeglib.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "ingot/tensor.h"

namespace ingot {

/// A JPEG of u8 [C,H,W] by libjpeg-turbo's encoder, set up by `customise`.
inline std::string encode_jpeg(
    const Tensor& image, const std::function<void(jpeg_compress_struct&)>& customise = [](auto&) {}) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &buffer, &size);
  const int64_t channels = image.size(0), height = image.size(1), width = image.size(2), plane = height * width;
  info.image_height = static_cast<JDIMENSION>(height);
  info.image_width = static_cast<JDIMENSION>(width);
  info.input_components = static_cast<int>(channels);
  constexpr J_COLOR_SPACE kSpaces[] = {JCS_GRAYSCALE, JCS_UNKNOWN, JCS_RGB, JCS_CMYK};
  info.in_color_space = kSpaces[channels - 1];
  jpeg_set_defaults(&info);
  customise(info);
  jpeg_start_compress(&info, TRUE);
  const auto values = image.to_vector<uint8_t>();
  for (int64_t y = 0; y < height; ++y) {
    std::vector<uint8_t> line;
    for (int64_t x = 0; x < width; ++x)
      for (int64_t c = 0; c < channels; ++c) line.push_back(values[static_cast<size_t>(c * plane + y * width + x)]);
    JSAMPROW row = line.data();
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string out(reinterpret_cast<char*>(buffer), size);
  std::free(buffer);
  return out;
}

}  // namespace ingot
