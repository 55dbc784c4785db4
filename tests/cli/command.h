#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "cli/process.h"
#include "gtest/gtest.h"
#include "train/toy_run.h"

namespace ingot {

namespace fs = std::filesystem;

/// The folder of this test program, which goes when it ends.
inline const fs::path& scratch_folder() {
  static const struct Scratch {
    fs::path folder = fresh_folder("verbs");
    ~Scratch() {
      std::error_code ignored;
      fs::remove_all(folder, ignored);
    }
  } scratch;
  return scratch.folder;
}

struct Outcome : Finished {
  nlohmann::json json() const { return nlohmann::json::parse(out); }
};

/// Runs `ingot` with the words of this line, apart by blanks.
inline Outcome run_line(const std::string& line, const fs::path& folder = {}) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return {ingot(words, folder)};
}

}  // namespace ingot
