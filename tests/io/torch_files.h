#pragma once

#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "error_of.h"
#include "gtest/gtest.h"
#include "ingot/io.h"

// Checkpoints of PyTorch byte by byte, sound ones and others.
namespace ingot::test {

template <class T>
std::string bytes_of(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

// ---- Pickles, protocol 2

namespace py {

inline std::string text(const std::string& s) { return "X" + bytes_of(static_cast<uint32_t>(s.size())) + s; }
inline std::string number(int32_t n) { return "J" + bytes_of(n); }
inline std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
inline std::string tuple(const std::vector<std::string>& items) {
  std::string out = "(";
  for (const auto& item : items) out += item;
  return out + "t";
}
inline std::string numbers(const std::vector<int32_t>& values) {
  std::vector<std::string> items;
  for (const int32_t v : values) items.push_back(number(v));
  return tuple(items);
}
inline std::string dict(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string out = "}(";
  for (const auto& [key, value] : entries) out += text(key) + value;
  return out + "u";
}
inline std::string storage(const std::string& key, int32_t count, const std::string& type = "FloatStorage") {
  return tuple({text("storage"), global("torch", type), text(key), text("cpu"), number(count)}) + "Q";
}
inline std::string tensor(const std::string& storage, int32_t offset, const std::vector<int32_t>& shape,
                          const std::vector<int32_t>& strides) {
  return global("torch._utils", "_rebuild_tensor_v2") +
         tuple({storage, number(offset), numbers(shape), numbers(strides), "\x89",
                global("collections", "OrderedDict") + ")R"}) +
         "R";
}
inline std::string pickle(const std::string& body) { return "\x80\x02" + body + "."; }

}  // namespace py

// ---- Zip archives

struct Entry {
  std::string name, bytes;
  uint16_t flags = 0, method = 0;
  size_t padding = 0;          // before the bytes, in the header's extra field
  uint32_t wrong_crc = 0;      // is added to the right one
  bool zip64 = false;          // sizes and place stand in the directory's extra field
  int64_t moved = 0;           // what the directory's place is wrong by
  std::string directory_name;  // where it differs
};

inline uint32_t crc_of(const std::string& bytes) {
  return static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

inline std::string zip_of(const std::vector<Entry>& entries, const std::string& comment = "") {
  std::string out, directory;
  const auto number16 = [](size_t n) { return bytes_of(static_cast<uint16_t>(n)); };
  const auto number32 = [](size_t n) { return bytes_of(static_cast<uint32_t>(n)); };
  for (const Entry& e : entries) {
    const size_t at = out.size() + static_cast<size_t>(e.moved), crc = crc_of(e.bytes) + e.wrong_crc;
    const bool late = (e.flags & 8) != 0;  // a descriptor follows
    const std::string sizes = number32(crc) + number32(e.bytes.size()) + number32(e.bytes.size());
    const std::string kind = number16(20) + number16(e.flags) + number16(e.method) + number32(0);
    out += "PK\x03\x04" + kind + (late ? std::string(12, '\0') : sizes) + number16(e.name.size()) +
           number16(e.padding) + e.name + std::string(e.padding, 'Z') + e.bytes;
    if (late) out += "PK\x07\x08" + sizes;
    const std::string& name = e.directory_name.empty() ? e.name : e.directory_name;
    const std::string wide = number16(1) + number16(24) + bytes_of(uint64_t{e.bytes.size()}) +
                             bytes_of(uint64_t{e.bytes.size()}) + bytes_of(uint64_t{at});
    directory += "PK\x01\x02" + number16(20) + kind +
                 (e.zip64 ? number32(crc) + number32(~0U) + number32(~0U) : sizes) + number16(name.size()) +
                 number16(e.zip64 ? wide.size() : 0) + number16(0) + number16(0) + number16(0) + number32(0) +
                 number32(e.zip64 ? ~0U : at) + name + (e.zip64 ? wide : "");
  }
  const size_t at = out.size();
  return out + directory + "PK\x05\x06" + number16(0) + number16(0) + number16(entries.size()) +
         number16(entries.size()) + number32(directory.size()) + number32(at) + number16(comment.size()) + comment;
}

/// An archive as torch.save writes it.
inline std::string torch_zip(const std::string& pickle, const std::vector<std::string>& storages = {}) {
  std::vector<Entry> entries{{.name = "a/data.pkl", .bytes = pickle}};
  for (size_t i = 0; i < storages.size(); ++i)
    entries.push_back({.name = "a/data/" + std::to_string(i), .bytes = storages[i]});
  return zip_of(entries);
}

inline std::string floats(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

// ---- Files

inline std::filesystem::path torch_scratch(const std::string& name) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "ingot_torch";
  std::filesystem::create_directories(folder);
  return folder / name;
}

/// A file in memory: what is written and read thousands of times.
class MemoryFile {
 public:
  explicit MemoryFile(const std::string& bytes) : fd_(::memfd_create("bytes", MFD_CLOEXEC)) {
    EXPECT_EQ(::write(fd_, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

inline TorchValue load_bytes(const std::string& bytes, const TorchOptions& options = {}) {
  return load_torch(MemoryFile(bytes).path(), options);
}

/// What load_torch says of a file of these bytes, without the path.
inline std::string refusal(const std::string& bytes, const TorchOptions& options = {}) {
  const MemoryFile file(bytes);
  const std::string error = error_of([&] { load_torch(file.path(), options); }), path = file.path().string() + ": ";
  EXPECT_TRUE(error.starts_with(path)) << error;
  return error.starts_with(path) ? error.substr(path.size()) : error;
}

}  // namespace ingot::test
