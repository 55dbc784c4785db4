#include "train/toy_run.h"

#include <unistd.h>

#include <fstream>
#include <random>
#include <sstream>

#include "ingot/image_io.h"
#include "jpeg_file.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;

constexpr int kSide = 8, kClasses = 3;

void write_part(const fs::path& root, const std::string& stem, int count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<uint8_t> images, labels;
  for (int i = 0; i < count; ++i) {
    const int label = static_cast<int>(random() % kClasses);
    labels.push_back(static_cast<uint8_t>(label));
    for (int y = 0; y < kSide; ++y)
      for (int x = 0; x < kSide; ++x) {
        const bool bright = (y < kSide / 2) == (label != 2) && (label != 1 || x % 2 == 0);
        images.push_back(static_cast<uint8_t>(random() % 100 + (bright ? 100 : 0)));
      }
  }
  write_idx(root / (stem + "-images-idx3-ubyte"), {count, kSide, kSide}, images);
  write_idx(root / (stem + "-labels-idx1-ubyte"), {count}, labels);
}

void write_folder(const fs::path& root, int count, unsigned seed) {
  constexpr const char* kNames[kClasses] = {"red", "green", "blue"};
  std::mt19937 random(seed);
  for (int i = 0; i < count; ++i) {
    const int label = i % kClasses;
    const int64_t height = 10 + random() % 10, width = 10 + random() % 10, plane = height * width;
    std::vector<uint8_t> values;
    for (int64_t k = 0; k < 3 * plane; ++k)
      values.push_back(static_cast<uint8_t>(random() % 150 + (k / plane == label ? 100 : 0)));
    const Tensor image = from_vector(values, {3, height, width});
    const bool png = random() % 2 == 0;
    const fs::path path = root / kNames[label] / (std::to_string(i) + (png ? ".png" : ".jpg"));
    fs::create_directories(path.parent_path());
    write_text(path, png ? encode_png(image) : encode_jpeg(image));
  }
}

}  // namespace

fs::path fresh_folder(const std::string& name) {
  const auto folder = fs::path(testing::TempDir()) / ("ingot_" + std::to_string(::getpid())) / name;
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

void write_text(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

std::string read_text(const fs::path& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

void write_idx(const fs::path& path, const std::vector<int>& sizes, const std::vector<uint8_t>& data) {
  std::string bytes{'\0', '\0', '\x08', static_cast<char>(sizes.size())};
  for (const int size : sizes)
    for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(size >> shift);
  bytes.append(data.begin(), data.end());
  write_text(path, bytes);
}

void write_toy_data(const fs::path& root, const ToyData& options) {
  write_part(root, "train", options.train, 1);
  write_part(root, "t10k", options.test, 2);
}

void write_toy_folder(const fs::path& root, const ToyFolder& options) {
  write_folder(root / "train", options.train, 3);
  write_folder(root / "test", options.test, 4);
}

std::string toy_folder_config(const fs::path& root) {
  return "model: {type: small_cnn, widths: [4, 8, 16]}\n"
         "data:\n"
         "  type: image_folder\n"
         "  root: " +
         root.string() +
         "\n"
         "  validation: 15\n"
         "  resize: 10\n"
         "  center_crop: 8\n"
         "  batch_size: 9\n"
         "  augment: [{type: RandomCrop}, {type: RandomHorizontalFlip}]\n"
         "optimizer: {type: SGD, lr: 0.05, momentum: 0.9}\n"
         "epochs: 6\n";
}

std::string toy_config(const fs::path& root) {
  return "model: {type: small_cnn, widths: [4, 8, 16], dropout: 0.25}\n"
         "data:\n"
         "  type: idx\n"
         "  root: " +
         root.string() +
         "\n"
         "  class_names: [top, stripes, bottom]\n"
         "  validation: 40\n"
         "  batch_size: 32\n"
         "  augment:\n"
         "    - {type: RandomCrop, padding: 1}\n"
         "    - {type: RandomHorizontalFlip, p: 0.5}\n"
         "loss: {type: cross_entropy, label_smoothing: 0.05}\n"
         "optimizer:\n"
         "  type: SGD\n"
         "  lr: 0.05\n"
         "  momentum: 0.9\n"
         "scheduler:\n"
         "  - {type: LinearLR, start_factor: 0.1, total_iters: 1}\n"
         "  - {type: CosineAnnealingLR}\n"
         "epochs: 3\n"
         "clip_grad_norm: 5\n"
         "log_interval: 2\n";
}

}  // namespace ingot
