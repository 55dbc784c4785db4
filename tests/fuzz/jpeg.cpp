#include <cstdio>

#include <jpeglib.h>

#include <algorithm>

#include "fuzz/fuzz.h"
#include "ingot/image_io.h"

namespace ingot::fuzz {
namespace {

constexpr int kSide = 20;
constexpr int64_t kMaxPixels = 4096;

struct Form {
  int channels = 3;
  bool progressive = false, arithmetic = false;
  int sampling = 2;  // of the first channel
  unsigned restart_interval = 0;
};

std::string jpeg(const Form& form) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &buffer, &size);
  info.image_height = info.image_width = kSide;
  info.input_components = form.channels;
  info.in_color_space = form.channels == 1 ? JCS_GRAYSCALE : form.channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 50, TRUE);
  info.arith_code = form.arithmetic ? TRUE : FALSE;
  info.restart_interval = form.restart_interval;
  info.comp_info[0].h_samp_factor = form.sampling;
  info.comp_info[0].v_samp_factor = std::min(form.sampling, 2);
  if (form.progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  for (int y = 0; y < kSide; ++y) {
    std::string line;
    for (int i = 0; i < kSide * form.channels; ++i) line += static_cast<char>(i * y + 7 * i);
    auto* row = reinterpret_cast<JSAMPROW>(line.data());
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string out(reinterpret_cast<char*>(buffer), size);
  std::free(buffer);
  return out;
}

}  // namespace

std::vector<std::string> seeds() {
  return {jpeg({}),
          jpeg({.channels = 1, .sampling = 1}),
          jpeg({.channels = 4, .sampling = 1}),
          jpeg({.progressive = true}),
          jpeg({.channels = 1, .progressive = true, .sampling = 1}),
          jpeg({.arithmetic = true}),
          jpeg({.progressive = true, .arithmetic = true}),
          jpeg({.sampling = 4, .restart_interval = 1}),
          jpeg({.sampling = 1, .restart_interval = 2})};
}

void read(std::string_view input) { read_jpeg(MemoryFile(input).path(), kMaxPixels); }

}  // namespace ingot::fuzz
