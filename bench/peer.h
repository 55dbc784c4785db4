#pragma once

#include <sys/types.h>

#include <cstdio>
#include <string>
#include <vector>

/// A Python program under bench/peers that runs beside us and measures when it is asked to, so that both sides
/// alternate in one run. It writes a line that names it, and then a line of numbers for each line that it reads.
class Peer {
 public:
  /// Starts bench/peers/`script`. Throws ingot::Error where it ends before it has named itself: bench/peers/setup.sh
  /// installs what it needs.
  Peer(const std::string& script, std::vector<std::string> arguments);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  const std::string& name() const { return name_; }
  std::vector<double> ask(const std::string& line);

 private:
  std::string read_line();

  pid_t pid_ = -1;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
  std::string name_;
};
