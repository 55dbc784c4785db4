#pragma once

#include <filesystem>
#include <string>
#include <vector>

/// A folder for files between us and our peers, which goes with the object.
struct Scratch {
  std::filesystem::path folder;
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
};

void write_floats(const std::filesystem::path& path, const std::vector<float>& values);
std::vector<float> read_floats(const std::filesystem::path& path);

/// Throws ingot::Error, which names the peer, where a value differs by more than `tolerance` times the largest of all,
/// or of 1: sums over many terms may end near 0.
void check_close(const std::vector<float>& ours, const std::vector<float>& theirs, double tolerance,
                 const std::string& peer);
