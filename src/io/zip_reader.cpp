#include "io/zip_reader.h"

#include <zlib.h>

#include <algorithm>
#include <optional>

#include "base/check.h"
#include "base/parallel.h"
#include "io/byte_reader.h"

namespace ingot {
namespace {

constexpr uint32_t kLocalHeader = 0x04034b50, kCentralHeader = 0x02014b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50,
                   kLocator64 = 0x07064b50;
constexpr size_t kEndBytes = 22, kLocatorBytes = 20, kEnd64Bytes = 56, kLongestComment = 0xffff;
constexpr uint16_t kEncrypted = 1, kHasDescriptor = 8, kStored = 0, kZip64Extra = 1;
constexpr uint16_t kWide16 = 0xffff;  // the number stands in the zip64 record
constexpr uint32_t kWide32 = 0xffffffff;

/// An end record, of either form: where the directory is, and where the record itself begins.
struct End {
  uint64_t at = 0;
  bool one_disk = false;
  uint64_t count = 0, bytes = 0, offset = 0;
};

/// Where the end record starts: it is the last thing in the file but for a comment.
size_t find_end(std::span<std::byte> bytes, const std::string& path) {
  CHECK(bytes.size() >= kEndBytes, "{}: {} bytes are too few for a zip archive", path, bytes.size());
  for (size_t comment = 0; comment <= std::min(kLongestComment, bytes.size() - kEndBytes); ++comment) {
    const size_t at = bytes.size() - kEndBytes - comment;
    ByteReader in(bytes.subspan(at), path);
    if (in.number<uint32_t>() != kEnd) continue;
    in.take(kEndBytes - sizeof(uint32_t) - sizeof(uint16_t));
    if (in.number<uint16_t>() == comment) return at;
  }
  fail("{}: the zip archive has no end record: it is truncated", path);
}

End short_end(std::span<std::byte> bytes, const std::string& path) {
  End end{.at = find_end(bytes, path)};
  ByteReader in(bytes.subspan(end.at + sizeof kEnd), path);
  const auto disk = in.number<uint16_t>(), first_disk = in.number<uint16_t>(), here = in.number<uint16_t>();
  end.count = in.number<uint16_t>(), end.bytes = in.number<uint32_t>(), end.offset = in.number<uint32_t>();
  end.one_disk = (disk == 0 || disk == kWide16) && (first_disk == 0 || first_disk == kWide16) && here == end.count;
  return end;
}

/// The zip64 end record, if the locator of one stands before the short one.
std::optional<End> long_end(std::span<std::byte> bytes, const std::string& path) {
  if (bytes.size() < kLocatorBytes) return std::nullopt;
  const size_t locator_at = bytes.size() - kLocatorBytes;
  ByteReader locator(bytes.subspan(locator_at), path);
  if (locator.number<uint32_t>() != kLocator64) return std::nullopt;
  locator.take(sizeof(uint32_t));
  End end{.at = locator.number<uint64_t>()};
  const bool inside = end.at <= locator_at && locator_at - end.at >= kEnd64Bytes;
  CHECK(inside, "{}: the zip64 end record is not where the archive says", path);
  ByteReader in(bytes.subspan(end.at, locator_at - end.at), path);
  const auto signature = in.number<uint32_t>();
  const auto size = in.number<uint64_t>();  // of what follows
  CHECK(signature == kEnd64 && size == in.left(), "{}: the zip64 end record is not where the archive says", path);
  in.take(2 * sizeof(uint16_t));
  const auto disk = in.number<uint32_t>(), first_disk = in.number<uint32_t>();
  const auto here = in.number<uint64_t>();
  end.count = in.number<uint64_t>(), end.bytes = in.number<uint64_t>(), end.offset = in.number<uint64_t>();
  end.one_disk = disk == 0 && first_disk == 0 && here == end.count;
  return end;
}

std::span<std::byte> directory_of(std::span<std::byte> bytes, End& end, const std::string& path) {
  end = short_end(bytes, path);
  bool one_disk = end.one_disk;
  if (const auto wide = long_end(bytes.first(end.at), path)) {
    const auto agrees = [](uint64_t narrow, uint64_t most, uint64_t number) {
      return narrow == most || narrow == number;
    };
    CHECK(agrees(end.count, kWide16, wide->count) && agrees(end.bytes, kWide32, wide->bytes) &&
              agrees(end.offset, kWide32, wide->offset),
          "{}: the archive's two end records differ", path);
    one_disk &= wide->one_disk;
    end = *wide;
  }
  CHECK(one_disk, "{}: the zip archive spans several files", path);
  CHECK(end.offset <= end.at && end.bytes == end.at - end.offset,
        "{}: the archive's directory has {} bytes from byte {} on, its end is at byte {}", path, end.bytes, end.offset,
        end.at);
  return bytes.subspan(end.offset, end.bytes);
}

struct CentralHeader {
  uint16_t flags = 0, method = 0;
  uint32_t crc = 0;
  uint64_t compressed = 0, bytes = 0, offset = 0;
  std::string_view name;
};

/// The numbers that did not fit, in the order in which they stand.
void take_zip64(ByteReader extra, CentralHeader& h, const std::string& path) {
  while (extra.left() >= 2 * sizeof(uint16_t)) {
    const auto id = extra.number<uint16_t>(), size = extra.number<uint16_t>();
    ByteReader field(extra.take(size), path);
    if (id != kZip64Extra) continue;
    for (uint64_t* number : {&h.bytes, &h.compressed, &h.offset})
      if (*number == kWide32) *number = field.number<uint64_t>();
  }
}

CentralHeader central_header(ByteReader& in, const std::string& path) {
  CHECK(in.number<uint32_t>() == kCentralHeader, "{}: the archive's directory is damaged at its byte {}", path,
        in.at() - sizeof kCentralHeader);
  in.take(2 * sizeof(uint16_t));  // versions
  CentralHeader h{.flags = in.number<uint16_t>(), .method = in.number<uint16_t>()};
  in.take(2 * sizeof(uint16_t));  // time and date
  h.crc = in.number<uint32_t>();
  h.compressed = in.number<uint32_t>(), h.bytes = in.number<uint32_t>();
  const auto name = in.number<uint16_t>(), extra = in.number<uint16_t>(), comment = in.number<uint16_t>();
  in.take(2 * sizeof(uint16_t) + sizeof(uint32_t));  // disk, attributes
  h.offset = in.number<uint32_t>();
  h.name = in.text(name);
  take_zip64(ByteReader(in.take(extra), path), h, path);
  in.take(comment);
  return h;
}

void check_name(std::string_view name, const std::string& path) {
  const bool printable = std::all_of(name.begin(), name.end(), [](unsigned char c) { return c >= ' ' && c != 0x7f; });
  bool leads_out = name.empty() || name.front() == '/' || name.find('\\') != name.npos || name.find(':') != name.npos;
  for (size_t from = 0; from <= name.size();) {
    const size_t to = std::min(name.find('/', from), name.size());
    leads_out |= name.substr(from, to - from) == "..";
    from = to + 1;
  }
  CHECK(printable && !leads_out, "{}: entry '{}' has a name that leads out of the archive or is none", path,
        shown(name));
}

/// The entry's bytes, after the header that stands before them and repeats what the directory says.
std::span<std::byte> contents_of(const CentralHeader& h, std::span<std::byte> before_directory,
                                 const std::string& path) {
  const std::string name = shown(h.name);
  CHECK(h.offset <= before_directory.size(), "{}: entry '{}' begins at byte {}, the directory at {}", path, name,
        h.offset, before_directory.size());
  ByteReader in(before_directory.subspan(h.offset), fmt::format("{}: entry '{}'", path, name));
  const auto signature = in.number<uint32_t>();
  in.take(sizeof(uint16_t));
  const auto flags = in.number<uint16_t>(), method = in.number<uint16_t>();
  in.take(2 * sizeof(uint16_t));
  const auto crc = in.number<uint32_t>(), compressed = in.number<uint32_t>(), bytes = in.number<uint32_t>();
  const auto name_bytes = in.number<uint16_t>(), extra = in.number<uint16_t>();
  const bool sizes_known = (flags & kHasDescriptor) == 0;
  const auto agrees = [](uint32_t narrow, uint64_t wide) { return narrow == kWide32 || narrow == wide; };
  const bool same = signature == kLocalHeader && method == h.method && in.text(name_bytes) == h.name &&
                    (!sizes_known || (crc == h.crc && agrees(compressed, h.compressed) && agrees(bytes, h.bytes)));
  CHECK(same, "{}: entry '{}' is not what the archive's directory says of it", path, name);
  in.take(extra);
  return in.take(h.compressed);
}

}  // namespace

std::string shown(std::string_view name) {
  constexpr size_t kLongest = 200;
  std::string out(name.substr(0, kLongest));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
  return name.size() > kLongest ? out + "..." : out;
}

ZipReader::ZipReader(std::span<std::byte> bytes, const std::string& path) : path_(path) {
  End end;
  ByteReader in(directory_of(bytes, end, path), path);
  std::vector<std::pair<size_t, size_t>> places;  // from an entry's header to the end of its bytes
  for (uint64_t i = 0; i < end.count; ++i) {
    const CentralHeader h = central_header(in, path);
    check_name(h.name, path);
    CHECK((h.flags & kEncrypted) == 0, "{}: entry '{}' is encrypted", path, shown(h.name));
    CHECK(h.method != kStored || h.compressed == h.bytes, "{}: entry '{}' is stored as {} bytes of {}", path,
          shown(h.name), h.compressed, h.bytes);
    const auto contents = contents_of(h, bytes.first(end.offset), path);
    CHECK(by_name_.emplace(h.name, entries_.size()).second, "{}: entry '{}' occurs twice", path, shown(h.name));
    places.emplace_back(h.offset, static_cast<size_t>(contents.data() - bytes.data()) + contents.size());
    entries_.push_back(
        {.name = std::string(h.name), .bytes = contents, .crc = h.crc, .compressed = h.method != kStored});
  }
  CHECK(in.left() == 0, "{}: the archive's directory has {} bytes after its last entry", path, in.left());
  std::sort(places.begin(), places.end());
  for (size_t i = 1; i < places.size(); ++i)
    CHECK(places[i - 1].second <= places[i].first, "{}: two entries of the archive overlap at byte {}", path,
          places[i].first);
}

const ZipEntry& ZipReader::stored(std::string_view name) const {
  const auto it = by_name_.find(name);
  CHECK(it != by_name_.end(), "{}: has no entry '{}'", path_, shown(name));
  const ZipEntry& entry = entries_[it->second];
  CHECK(!entry.compressed, "{}: entry '{}' is compressed; torch.save stores entries as they are", path_, shown(name));
  return entry;
}

std::vector<const ZipEntry*> damaged(const std::vector<const ZipEntry*>& entries) {
  struct Piece {
    size_t entry = 0;
    std::span<const std::byte> bytes;
    uLong crc = 0;
  };
  constexpr size_t kPieceBytes = size_t{1} << 20;  // fewer bytes are not worth a thread
  std::vector<Piece> pieces;
  size_t total = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    const auto bytes = entries[i]->bytes;
    total += bytes.size();
    for (size_t at = 0; at < bytes.size(); at += kPieceBytes)
      pieces.push_back({i, bytes.subspan(at, std::min(kPieceBytes, bytes.size() - at)), 0});
  }
  const auto sum = [&](int64_t i) {
    Piece& p = pieces[static_cast<size_t>(i)];
    p.crc = crc32_z(0, reinterpret_cast<const Bytef*>(p.bytes.data()), p.bytes.size());
  };
  const auto count = static_cast<int64_t>(pieces.size());
  if (total > kPieceBytes) parallel_parts(count, sum);
  for (int64_t i = 0; total <= kPieceBytes && i < count; ++i) sum(i);
  std::vector<uLong> crcs(entries.size(), 0);
  for (const Piece& p : pieces)
    crcs[p.entry] = crc32_combine64(crcs[p.entry], p.crc, static_cast<z_off64_t>(p.bytes.size()));
  std::vector<const ZipEntry*> out;
  for (size_t i = 0; i < entries.size(); ++i)
    if (crcs[i] != entries[i]->crc) out.push_back(entries[i]);
  return out;
}

}  // namespace ingot
