#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>

#include "fuzz/fuzz.h"

namespace ingot::fuzz {
namespace {

void write_seeds(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  int number = 0;
  for (const std::string& seed : seeds())
    std::ofstream(folder / fmt::format("seed{}", number++), std::ios::binary) << seed;
}

}  // namespace

void require(bool holds, std::string_view text) {
  if (holds) return;
  fmt::print(stderr, "{}\n", text);
  std::abort();
}

MemoryFile::MemoryFile(std::string_view bytes) : fd_(::memfd_create("input", MFD_CLOEXEC)) {
  if (fd_ < 0 || ::write(fd_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) std::abort();
}
MemoryFile::~MemoryFile() { ::close(fd_); }

}  // namespace ingot::fuzz

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  if (*argc != 3 || std::string_view((*argv)[1]) != "--seeds") return 0;
  ingot::fuzz::write_seeds((*argv)[2]);
  std::exit(0);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    ingot::fuzz::read({reinterpret_cast<const char*>(data), size});
  } catch (const ingot::Error&) {
  }
  return 0;
}
