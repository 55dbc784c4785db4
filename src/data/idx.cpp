#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "base/check.h"
#include "ingot/file_datasets.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

// DEFLATE's longest match is 258 bytes for 2 bits: no file unpacks to more than 1032 times its size.
constexpr uint64_t kMaxRatio = 1032;
constexpr uint64_t kMaxExtent = uint64_t{1} << 62;
constexpr size_t kPiece = size_t{1} << 24;

/// A gzip or plain file; zlib passes plain bytes through.
class Stream {
 public:
  explicit Stream(const std::filesystem::path& path) : path_(path.string()) {
    std::error_code refused;  // a name too long, a folder closed to us
    CHECK(std::filesystem::is_regular_file(path, refused), "{}: no such file", path_);
    file_.reset(gzopen(path_.c_str(), "rb"));
    CHECK(file_ != nullptr, "{}: cannot open", path_);
  }
  /// Bytes read, fewer than asked for at the end of the file only.
  size_t read(void* to, size_t bytes) {
    size_t done = 0;
    while (done < bytes) {
      const auto want = static_cast<unsigned>(std::min(bytes - done, kPiece));
      const int n = gzread(file_.get(), static_cast<char*>(to) + done, want);
      int code = Z_OK;
      const char* reason = gzerror(file_.get(), &code);
      // Z_BUF_ERROR is a compressed stream that ends too early: the caller says where.
      CHECK(code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR, "{}: damaged: {}", path_, reason);
      if (n <= 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }
  bool ended_early() {
    int code = Z_OK;
    gzerror(file_.get(), &code);
    return code == Z_BUF_ERROR;
  }
  bool compressed() { return gzdirect(file_.get()) == 0; }

 private:
  struct Close {
    void operator()(gzFile_s* file) const { gzclose(file); }
  };
  std::string path_;
  std::unique_ptr<gzFile_s, Close> file_;
};

DType dtype_of_code(uint8_t code, const std::string& path) {
  switch (code) {
    case 0x08:
      return DType::u8;
    case 0x09:
      return DType::i8;
    case 0x0c:
      return DType::i32;
    case 0x0d:
      return DType::f32;
    case 0x0e:
      return DType::f64;
    default:
      fail("{}: type code {:#04x} of the magic number is not one of 0x08, 0x09, 0x0c, 0x0d, 0x0e", path, code);
  }
}

uint32_t big_endian(const uint8_t* bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | uint32_t{bytes[3]};
}

void reverse_bytes(std::byte* data, size_t elements, size_t width) {
  if (width == 1) return;
  for (size_t i = 0; i < elements; ++i) std::reverse(data + i * width, data + (i + 1) * width);
}

struct Header {
  DType dtype;
  Shape shape;
  uint64_t bytes;
};

Header read_header(Stream& stream, const std::string& path) {
  std::array<uint8_t, 4> magic{};
  CHECK(stream.read(magic.data(), 4) == 4, "{}: too short for an IDX file", path);
  CHECK(magic[0] == 0 && magic[1] == 0,
        "{}: magic number {:02x}{:02x}{:02x}{:02x} is not an IDX file's (0000 and two more)", path, magic[0], magic[1],
        magic[2], magic[3]);
  Header header{.dtype = dtype_of_code(magic[2], path), .shape = {}, .bytes = 0};
  CHECK(magic[3] >= 1 && magic[3] <= kMaxRank, "{}: {} dimensions, 1 to {} are expected", path, magic[3], kMaxRank);
  uint64_t extent = size_of(header.dtype);  // no size taken for 0: strides must be numbers in empty files too
  bool empty = false;
  for (int d = 0; d < magic[3]; ++d) {
    std::array<uint8_t, 4> size{};
    CHECK(stream.read(size.data(), 4) == 4, "{}: truncated in its sizes", path);
    const uint64_t items = big_endian(size.data());
    header.shape.push_back(static_cast<int64_t>(items));
    empty |= items == 0;
    CHECK(!__builtin_mul_overflow(extent, std::max<uint64_t>(items, 1), &extent) && extent <= kMaxExtent,
          "{}: sizes {} are too large", path, to_string(header.shape));
  }
  header.bytes = empty ? 0 : extent;
  return header;
}

}  // namespace

Tensor read_idx(const std::filesystem::path& path, size_t max_bytes) {
  const std::string name = path.string();
  Stream stream(path);
  const Header header = read_header(stream, name);
  CHECK(header.bytes <= max_bytes, "{}: sizes {} need {} bytes, at most {} are allowed", name, to_string(header.shape),
        header.bytes, max_bytes);
  const uint64_t file_bytes = std::filesystem::file_size(path);
  const uint64_t possible = stream.compressed() ? file_bytes * kMaxRatio : file_bytes;
  CHECK(header.bytes <= possible, "{}: truncated: sizes {} need {} bytes, a file of {} cannot hold them", name,
        to_string(header.shape), header.bytes, file_bytes);

  Tensor out = empty(header.shape, header.dtype, Layout::row_major);
  auto* data = array_of(out).as<std::byte>();
  const size_t got = stream.read(data, header.bytes);
  if (got < header.bytes) {
    const uint64_t item = header.bytes / static_cast<uint64_t>(header.shape[0].value());
    fail("{}: truncated in item {} of {}: {} of {} bytes", name, got / item, header.shape[0].value(), got,
         header.bytes);
  }
  char more = 0;
  CHECK(stream.read(&more, 1) == 0, "{}: more bytes follow the {} that sizes {} need", name, header.bytes,
        to_string(header.shape));
  CHECK(!stream.ended_early(), "{}: truncated: the compressed data has no end", name);
  reverse_bytes(data, header.bytes / size_of(header.dtype), size_of(header.dtype));
  return out;
}

}  // namespace ingot
