#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"

// What a fuzz target is made of: it defines the two functions, main.cpp the rest.
namespace ingot::fuzz {

/// Inputs to start from, one of each kind that the reader knows.
std::vector<std::string> seeds();

/// Reads what a stranger wrote. May throw Error; anything else, or more memory or time than the input deserves, is a
/// defect.
void read(std::string_view input);

/// Ends the program with `text`: for what must hold whatever the input says.
void require(bool holds, std::string_view text);
/// The same where `work` throws.
template <class Work>
auto require_success(const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    require(false, error.what());
    throw;
  }
}

/// A file in memory, for readers that take a path.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes);
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

/// A number as it lies in memory, for inputs in binary.
template <class T>
std::string bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

}  // namespace ingot::fuzz
