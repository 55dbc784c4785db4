#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace ingot {
namespace {

std::string reason() { return std::strerror(errno); }

class Descriptor {
 public:
  Descriptor(const std::filesystem::path& path, int flags, mode_t mode = 0)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  explicit operator bool() const { return fd_ >= 0; }
  int get() const { return fd_; }

 private:
  int fd_;
};

size_t regular_size(const Descriptor& file, const std::filesystem::path& path) {
  CHECK(file, "{}: {}", path.string(), reason());
  struct stat info{};
  CHECK(::fstat(file.get(), &info) == 0, "{}: {}", path.string(), reason());
  CHECK(S_ISREG(info.st_mode), "{}: not a regular file", path.string());
  return static_cast<size_t>(info.st_size);
}

void write_all(int fd, std::span<const std::byte> bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    CHECK(n > 0, "{}: cannot write: {}", path.string(), reason());
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
  const Descriptor file(path, O_RDONLY);
  std::string content(regular_size(file, path), '\0');
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t n = ::read(file.get(), content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    CHECK(n >= 0, "{}: cannot read: {}", path.string(), reason());
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  content.resize(done);
  return content;
}

void write_file_atomic(const std::filesystem::path& path, const std::function<void(const ByteSink&)>& write) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  std::filesystem::path temporary = path;
  temporary += ".tmp" + std::to_string(::getpid());
  try {
    const Descriptor file(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    CHECK(file, "{}: cannot write: {}", path.string(), reason());
    write([&](std::span<const std::byte> bytes) { write_all(file.get(), bytes, path); });
    CHECK(::fsync(file.get()) == 0, "{}: cannot write: {}", path.string(), reason());
    CHECK(::rename(temporary.c_str(), path.c_str()) == 0, "{}: cannot write: {}", path.string(), reason());
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  if (const Descriptor directory(folder, O_RDONLY | O_DIRECTORY); directory) ::fsync(directory.get());
}

void write_file_atomic(const std::filesystem::path& path, std::string_view content) {
  write_file_atomic(path, [&](const ByteSink& sink) { sink(std::as_bytes(std::span(content))); });
}

MappedFile::MappedFile(const std::filesystem::path& path) {
  const Descriptor file(path, O_RDONLY);
  size_ = regular_size(file, path);
  if (size_ == 0) return;
  void* mapped = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE, file.get(), 0);
  CHECK(mapped != MAP_FAILED, "{}: cannot map: {}", path.string(), reason());
  data_ = static_cast<std::byte*>(mapped);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace ingot
