#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

namespace ingot {

struct ZipEntry {
  std::string name;
  std::span<std::byte> bytes;  // as they lie in the file
  uint32_t crc = 0;
  bool compressed = false;
};

/// The entries of a zip archive (PKWARE's APPNOTE 6.3, zip64 included), which lie in `bytes`. `path` is for errors.
class ZipReader {
 public:
  /// Throws Error where the archive is not one, is truncated, or spans disks; where entries overlap, are encrypted,
  /// occur twice, or their names would lead out of a folder; where an entry's own header is not what the directory
  /// says.
  ZipReader(std::span<std::byte> bytes, const std::string& path);

  const std::vector<ZipEntry>& entries() const { return entries_; }  // in the directory's order
  bool contains(std::string_view name) const { return by_name_.contains(name); }
  /// The bytes of an entry that is stored as it is. Throws Error where there is none of this name, or it is compressed.
  const ZipEntry& stored(std::string_view name) const;

 private:
  std::string path_;
  std::vector<ZipEntry> entries_;
  std::map<std::string, size_t, std::less<>> by_name_;
};

/// Those entries of the list whose bytes do not have the CRC-32 that the archive notes. Reads them, on all threads.
std::vector<const ZipEntry*> damaged(const std::vector<const ZipEntry*>& entries);

}  // namespace ingot
