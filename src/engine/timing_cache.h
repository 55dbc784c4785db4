#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ingot/engine.h"

namespace ingot {

/// Times of tactics by a text that names the call, the CPU, its tier and the thread count. A file of it makes later
/// builds quick and gives them the same choices.
class TimingCache {
 public:
  /// Without a path it lives for one build. Throws Error that names a file which is not a timing cache.
  explicit TimingCache(std::optional<std::filesystem::path> path);
  const std::vector<TacticTime>* find(const std::string& call) const;
  void add(const std::string& call, std::vector<TacticTime> times);
  void save() const;

 private:
  std::optional<std::filesystem::path> path_;
  std::map<std::string, std::vector<TacticTime>> times_;
  bool changed_ = false;
};

}  // namespace ingot
