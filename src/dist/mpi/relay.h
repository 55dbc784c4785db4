#pragma once

#include <mpi.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "dist/lane.h"

namespace ingot {

inline constexpr size_t kHostText = 64, kWhatText = 128, kPlaceText = 96;

/// Where one rank stands.
struct Standing {
  int rank = 0;
  int64_t pid = 0, step = 0;
  char host[kHostText]{}, path[kPlaceText]{};
  char what[kLanes][kWhatText]{};  // that it waits for; empty: nothing
  char state = 0;                  // process_state
  bool ended = false;
  int failed = 0;     // the exit code with which it ends the job
  double silent = 0;  // seconds for which its host has told nothing
};
/// Neither gone nor stopped nor silent.
bool is_alive(const Standing& standing);
/// "rank 2 (pid 4711 on host1) is stopped in step 12, layer2.0.bn1".
std::string to_string(const Standing& standing, size_t lane);

/// Tells the first rank of every other host where the ranks of this host stand. Does nothing on other ranks, on one
/// host alone, and without threads.
class Relay {
 public:
  /// Collective over the world.
  Relay(MPI_Comm host, bool threads);
  /// Collective over the hosts' first ranks.
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  void tell(const std::vector<Standing>& of_this_host);
  /// What other hosts told last, by rank in the world.
  std::map<int, Standing> heard() const;

 private:
  struct Peer;
  void receive(Peer& peer);

  MPI_Comm hosts_ = MPI_COMM_NULL;
  std::vector<Peer> peers_;
  mutable std::mutex mutex_;
  struct Heard {
    Standing standing;
    std::chrono::steady_clock::time_point when;
  };
  std::map<int, Heard> heard_;
};

}  // namespace ingot
