#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace ingot {

/// What a program left when it ended.
struct Finished {
  int code = -1;  // exit code, or 128 + the signal that ended it
  std::string out, err;
};

/// A program that runs beside the test, its output caught in pipes. No shell stands between.
class Process {
 public:
  /// Without a folder, it runs in the test's.
  explicit Process(const std::vector<std::string>& command, const std::filesystem::path& folder = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// Reads stderr until it holds `text`. False where the program ended before.
  bool wait_for(const std::string& text);
  void signal(int number) const;
  Finished finish();

 private:
  bool read_some();  // false once both pipes are closed

  int pid_ = -1;
  int out_ = -1, err_ = -1;
  Finished result_;
};

/// Runs the built `ingot` with these arguments.
Finished ingot(const std::vector<std::string>& arguments, const std::filesystem::path& folder = {});
std::vector<std::string> ingot_command(const std::vector<std::string>& arguments);

}  // namespace ingot
