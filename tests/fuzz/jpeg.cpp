#include <algorithm>

#include "fuzz/fuzz.h"
#include "ingot/image_io.h"
#include "jpeg_file.h"

namespace ingot::fuzz {
namespace {

constexpr int64_t kSide = 20, kMaxPixels = 4096;

struct Form {
  int64_t channels = 3;
  bool progressive = false, arithmetic = false;
  int sampling = 2;  // of the first channel
  unsigned restart_interval = 0;
};

std::string jpeg(const Form& form) {
  std::vector<uint8_t> values;
  for (int64_t i = 0; i < form.channels * kSide * kSide; ++i)
    values.push_back(static_cast<uint8_t>(i % kSide * (i / kSide) + 7 * i));
  return encode_jpeg(from_vector(values, {form.channels, kSide, kSide}), [&form](jpeg_compress_struct& info) {
    jpeg_set_quality(&info, 50, TRUE);
    info.arith_code = form.arithmetic ? TRUE : FALSE;
    info.restart_interval = form.restart_interval;
    info.comp_info[0].h_samp_factor = form.sampling;
    info.comp_info[0].v_samp_factor = std::min(form.sampling, 2);
    if (form.progressive) jpeg_simple_progression(&info);
  });
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
