#include <zlib.h>

#include "fuzz/fuzz.h"
#include "ingot/image_io.h"

namespace ingot::fuzz {
namespace {

constexpr size_t kSignature = 8, kBesideData = 12;  // a chunk is its length, type, data, checksum
constexpr int64_t kMaxPixels = 4096;

uint32_t number_at(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}
std::string number(uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
  return out;
}
uint32_t checksum(std::string_view bytes) {
  return static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

std::string chunk(const std::string& type, const std::string& data) {
  return number(static_cast<uint32_t>(data.size())) + type + data + number(checksum(type + data));
}

std::string compressed(const std::string& data) {
  std::string out(compressBound(data.size()), '\0');
  uLongf size = out.size();
  compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(data.data()), data.size());
  out.resize(size);
  return out;
}

/// 4 x 4 pixels of any colour type, depth and interlacing.
std::string png(int depth, int colour, int interlaced, const std::string& more = "") {
  std::string header = number(4) + number(4);
  for (const int value : {depth, colour, 0, 0, interlaced}) header += static_cast<char>(value);
  std::string lines;  // as many as any form may need
  for (int i = 0; i < 8; ++i) lines += static_cast<char>(i % 5) + std::string(32, static_cast<char>('0' + i));
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", header) + more + chunk("IDAT", compressed(lines)) + chunk("IEND", "");
}

/// The file with right checksums: without, no change would pass them.
std::string with_checksums(std::string_view input) {
  std::string out(input);
  for (size_t at = kSignature; at + kBesideData <= out.size();) {
    const size_t size = number_at(out, at);
    if (size > out.size() - at - kBesideData) break;
    out.replace(at + size + 8, 4, number(checksum(std::string_view(out).substr(at + 4, size + 4))));
    at += size + kBesideData;
  }
  return out;
}

}  // namespace

std::vector<std::string> seeds() {
  using namespace std::string_literals;
  const std::string palette = chunk("PLTE", "abcdefghi");
  return {png(8, 0, 0),
          png(1, 0, 1),
          png(16, 0, 0),
          png(8, 2, 0, chunk("tRNS", "\0\1\0\2\0\3"s)),
          png(16, 2, 1),
          png(8, 3, 0, palette + chunk("tRNS", "ab")),
          png(2, 3, 1, palette),
          png(8, 4, 0),
          png(16, 6, 0, chunk("tEXt", "Title\0words"s) + chunk("gAMA", number(45455)))};
}

void read(std::string_view input) { read_png(MemoryFile(with_checksums(input)).path(), kMaxPixels); }

}  // namespace ingot::fuzz
