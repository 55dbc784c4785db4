#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>

// Preloaded: a disk that does not answer. The HANGING_FSYNC_AT-th fsync of a file whose name holds HANGING_FSYNC does
// not return.
extern "C" int fsync(int file) {
  static std::atomic<int> count{0};
  const char* const name = std::getenv("HANGING_FSYNC");
  char path[4096]{};
  const std::string link = "/proc/self/fd/" + std::to_string(file);
  if (name != nullptr && ::readlink(link.c_str(), path, sizeof path - 1) > 0 &&
      std::string(path).find(name) != std::string::npos && ++count == std::atoi(std::getenv("HANGING_FSYNC_AT")))
    while (true) ::pause();
  return static_cast<int>(::syscall(SYS_fsync, file));
}
