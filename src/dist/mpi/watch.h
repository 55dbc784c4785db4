#pragma once

#include <mpi.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
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
  /// Collective over the world. Without `threads` (MPI_THREAD_MULTIPLE) other hosts are not told. The deadline is for
  /// calls of MPI that have none.
  Watch(bool threads, std::chrono::duration<double> deadline);
  ~Watch() = default;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// Before MPI ends; collective too. What is called afterwards does nothing.
  void stop();

  void set_step(int64_t step);
  int64_t step() const;
  /// What this thread waits for; null: for nothing.
  void waits_for(const char* what);
  /// Of these ranks, those that do not wait for what this one waits for, and where they stand; first those not alive.
  std::string missing(const std::vector<int>& world_ranks) const;

  /// Calls something that waits for these ranks, and ends the job where they do not come within the deadline.
  void within_deadline(const char* what, const std::vector<int>& world_ranks, const std::function<void()>& call);

  /// Whether this rank is the one to say why the job ends: the first of the host's that asks. The first rank of all
  /// goes before the first ones of other hosts, which know of the other hosts' ranks, and these before the rest: they
  /// wait for up to a second.
  bool may_speak();
  /// Ends this process and, soon, all ranks.
  [[noreturn]] void end_job(int code);

  /// Ranks of this host, this one too, that may run on a CPU that this one may run on.
  int ranks_on_cpus() const { return ranks_on_cpus_; }

 private:
  struct Slot;
  static void name_path(uint32_t number, std::string_view text);
  Standing standing_of(const Slot& slot) const;
  void look();
  int failed() const;
  void look_for_the_dead();
  void count_cpus();

  MPI_Comm host_ = MPI_COMM_NULL;
  MPI_Win window_ = MPI_WIN_NULL;
  Slot* mine_ = nullptr;
  std::vector<Slot*> slots_;  // of this host's ranks
  std::chrono::duration<double> deadline_;
  int rank_ = 0;
  int ranks_on_cpus_ = 1;

  std::unique_ptr<Relay> relay_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace ingot
