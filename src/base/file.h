#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace ingot {

/// The bytes of a regular file. Errors name the path and the reason.
std::string read_file(const std::filesystem::path& path);

/// Writes a file so that a reader sees the old content or the new, never a part: a temporary file beside it, fsync,
/// rename, fsync of the folder. On failure (a full disk, say) the temporary file is removed and the old one stays.
void write_file_atomic(const std::filesystem::path& path, std::string_view content);
/// The same in pieces: `write` is handed a sink to call any number of times.
using ByteSink = std::function<void(std::span<const std::byte>)>;
void write_file_atomic(const std::filesystem::path& path, const std::function<void(const ByteSink&)>& write);

/// A file mapped copy-on-write: its bytes can be changed in memory, the file never is.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::span<std::byte> bytes() const { return {data_, size_}; }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace ingot
