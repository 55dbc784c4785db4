#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ingot/engine.h"

namespace ingot {

/// Times of tactics by a text that names the call, the CPU, its tier and the thread count. A file of it makes later
/// builds quick and gives them the same choices. Those of other kernels than this build's are not read.
class TimingCache {
 public:
  /// Without a path it lives for one build. Throws Error that names a file which is not a timing cache.
  explicit TimingCache(std::optional<std::filesystem::path> path);
  /// The times of these tactics; nothing unless all are known. Others may be known besides: a build that may choose
  /// from more, by fast math, serves one that may choose from less.
  std::optional<std::vector<TacticTime>> find(const std::string& call, const std::vector<std::string>& tactics) const;
  void add(const std::string& call, const std::vector<TacticTime>& times);
  void save() const;

 private:
  std::optional<std::filesystem::path> path_;
  std::map<std::string, std::map<std::string, double>> seconds_;  // by call, by tactic
  bool changed_ = false;
};

}  // namespace ingot
