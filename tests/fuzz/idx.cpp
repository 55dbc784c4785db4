#include <zlib.h>

#include "fuzz/fuzz.h"
#include "ingot/file_datasets.h"

namespace ingot::fuzz {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 20;

std::string gzip(std::string_view bytes) {
  std::string out(compressBound(bytes.size()) + 64, '\0');
  z_stream stream{};
  constexpr int kGzip = 15 + 16;  // the largest window, a gzip header
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY) != Z_OK) std::abort();
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) std::abort();
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace

std::vector<std::string> seeds() {
  using namespace std::string_literals;
  const std::string bytes = "\0\0\10\3\0\0\0\2\0\0\0\2\0\0\0\3abcdefghijkl"s, doubles = "\0\0\16\1\0\0\0\1abcdefgh"s;
  return {bytes, doubles, "\0\0\14\2\0\0\0\2\0\0\0\1abcdefgh"s, "\0\0\11\1\0\0\0\0"s, gzip(bytes), gzip(doubles)};
}

void read(std::string_view input) { read_idx(MemoryFile(input).path(), kMaxBytes); }

}  // namespace ingot::fuzz
