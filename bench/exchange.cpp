#include "exchange.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "base/check.h"

namespace fs = std::filesystem;

Scratch::Scratch() : folder(fs::temp_directory_path() / ("ingot_bench_" + std::to_string(getpid()))) {
  fs::create_directories(folder);
}
Scratch::~Scratch() { fs::remove_all(folder); }

void write_floats(const fs::path& path, const std::vector<float>& values) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
  CHECK(file.good(), "{} cannot be written", path.string());
}

std::vector<float> read_floats(const fs::path& path) {
  std::vector<float> values(fs::file_size(path) / sizeof(float));
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
  CHECK(file.good(), "{} cannot be read", path.string());
  return values;
}

void check_close(const std::vector<float>& ours, const std::vector<float>& theirs, double tolerance,
                 const std::string& peer) {
  CHECK(ours.size() == theirs.size(), "{} values, {} gives {}", ours.size(), peer, theirs.size());
  float scale = 1;
  for (const float value : ours) scale = std::max(scale, std::abs(value));
  for (size_t i = 0; i < ours.size(); ++i)
    CHECK(std::abs(ours[i] - theirs[i]) <= tolerance * scale, "{}: value {} is {}, it gives {}", peer, i, ours[i],
          theirs[i]);
}
