#pragma once

#include <filesystem>
#include <string>

#include "error_of.h"
#include "gtest/gtest.h"

namespace ingot {

/// A path in a folder for this program's files.
inline std::filesystem::path scratch(const std::string& name) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "ingot_data";
  std::filesystem::create_directories(folder);
  return folder / name;
}

}  // namespace ingot
