#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "gtest/gtest.h"
#include "ingot/error.h"

namespace ingot {

/// A path in a folder for this program's files.
inline std::filesystem::path scratch(const std::string& name) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "ingot_data";
  std::filesystem::create_directories(folder);
  return folder / name;
}

/// What the Error says that `action` throws.
inline std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace ingot
