#pragma once

#include <mpi.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "dist/mpi/relay.h"

namespace ingot {

/// Where each rank stands, for the others to read even when that rank is stopped or gone. Every rank writes its step,
/// the module that runs and what it waits for to memory that the ranks of its host share; a thread of every rank looks
/// after the others, and the first rank of each host tells the other hosts.
class Watch {
 public:
  /// Collective over the world. Without `threads` (MPI_THREAD_MULTIPLE) other hosts are not told.
  explicit Watch(bool threads);
  ~Watch() = default;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// Before MPI ends; collective too. What is called afterwards does nothing.
  void stop();

  void set_step(int64_t step);
  /// What this thread waits for; null: for nothing.
  void waits_for(const char* what);
  /// Of these ranks, those that do not wait for what this one waits for, and where they stand.
  std::string missing(const std::vector<int>& world_ranks) const;

  int ranks_on_host() const { return static_cast<int>(slots_.size()); }
  /// Ranks of this host, this one too, that may run on a CPU that this one may run on.
  int ranks_on_cpus() const { return ranks_on_cpus_; }

 private:
  struct Slot;
  static void name_path(uint32_t number, std::string_view text);
  Standing standing_of(const Slot& slot) const;
  void look();
  void look_for_the_dead();
  void count_cpus();

  MPI_Comm host_ = MPI_COMM_NULL;
  MPI_Win window_ = MPI_WIN_NULL;
  Slot* mine_ = nullptr;
  std::vector<Slot*> slots_;  // of this host's ranks
  int rank_ = 0;
  int ranks_on_cpus_ = 1;

  std::unique_ptr<Relay> relay_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace ingot
