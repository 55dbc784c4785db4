#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "gtest/gtest.h"

namespace ingot {

namespace fs = std::filesystem;

/// A folder of this test program, made anew with the program.
inline const fs::path& scratch_folder() {
  static const fs::path folder = [] {
    const fs::path made = fs::path(testing::TempDir()) / ("ingot_cli_" + std::to_string(::getpid()));
    fs::remove_all(made);
    fs::create_directories(made);
    return made;
  }();
  return folder;
}

inline std::string text_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

inline void write_text(const fs::path& file, const std::string& text) { std::ofstream(file, std::ios::binary) << text; }

struct Outcome {
  int code = -1;  // what the shell sees; 128 and more: a signal
  std::string out, err;
  nlohmann::json json() const { return nlohmann::json::parse(out); }
};

/// Runs the built command through the shell.
inline Outcome ingot_command(const std::string& arguments) {
  const fs::path out = scratch_folder() / "stdout", err = scratch_folder() / "stderr";
  const std::string line = std::string(INGOT_COMMAND) + " " + arguments + " >" + out.string() + " 2>" + err.string();
  const int status = std::system(line.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), text_of(out), text_of(err)};
}

}  // namespace ingot
