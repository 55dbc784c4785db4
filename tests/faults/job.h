#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "cli/process.h"

namespace ingot {

/// Ranks that scripts/launch.sh starts, to be hurt. Whatever it leaves is killed after half a minute.
class Job {
 public:
  /// `arguments` of launch.sh; the environment of all its processes gets `environment`, "NAME=value".
  explicit Job(const std::vector<std::string>& arguments, const std::vector<std::string>& environment = {});
  ~Job();
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  bool wait_for(const std::string& text) { return process_.wait_for(text); }
  /// The process of a rank, once it is there; of launch.sh itself.
  int pid_of_rank(int rank) const;
  int pid_of_mpirun() const;
  void signal(int number) const { process_.signal(number); }
  /// Without what libevent, which is under Open MPI, may warn of while a rank ends another.
  Finished finish();

  /// Processes of the job that are still there; waits for a moment until there are none.
  std::vector<std::string> left_over() const;

 private:
  /// Its processes, with the rank that each is or -1.
  struct Member {
    int pid, rank;
    std::string command;
  };
  std::vector<Member> members() const;

  std::string mark_;
  Process process_;
};

}  // namespace ingot
