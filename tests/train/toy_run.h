#pragma once

#include <gmock/gmock.h>

#include <filesystem>
#include <string>
#include <vector>

#include "error_of.h"

// A data set and a config that train in a fraction of a second.
namespace ingot {

/// An empty folder for this test.
std::filesystem::path fresh_folder(const std::string& name);

/// An IDX file of u8.
void write_idx(const std::filesystem::path& path, const std::vector<int>& sizes, const std::vector<uint8_t>& data);

/// Three classes of noisy 8x8 images, each bright in its own corner, under MNIST's file names.
struct ToyData {
  int train = 240, test = 60;
};
void write_toy_data(const std::filesystem::path& root, const ToyData& options = {});

/// A config for it: small_cnn with dropout, SGD with momentum, warm-up and cosine, crops and flips.
std::string toy_config(const std::filesystem::path& root);

/// Three classes of noisy colour images of different sizes, half of them PNG and half JPEG, as train/red/0.png and so
/// on: each has more of its class's colour.
struct ToyFolder {
  int train = 60, test = 18;
};
void write_toy_folder(const std::filesystem::path& root, const ToyFolder& options = {});
/// A config for it that resizes and crops them to 8x8.
std::string toy_folder_config(const std::filesystem::path& root);

void write_text(const std::filesystem::path& path, const std::string& text);
std::string read_text(const std::filesystem::path& path);

/// A folder for each test, with that data and config.yaml, which goes when it ends.
class ToyRunTest : public testing::Test {
 protected:
  void SetUp() override {
    root = fresh_folder(testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(root / "data");
    write_toy_data(root / "data");
    write_text(root / "config.yaml", toy_config(root / "data"));
  }
  void TearDown() override { std::filesystem::remove_all(root); }

  std::filesystem::path root;
};

}  // namespace ingot
