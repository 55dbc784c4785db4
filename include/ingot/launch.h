#pragma once

#include <memory>
#include <string>

#include "ingot/communicator.h"

namespace ingot {

/// Whether mpirun or srun started this process as one of several, by the environment that they set.
bool is_launched();
/// "Open MPI v4.1.4", or "" where Ingot was built without MPI.
std::string mpi_version();

/// This process as one of the ranks that mpirun or srun started, from now to the end of the object: one in a process.
/// world() is theirs. Sets the number of threads (threads.h) to this rank's share of the CPUs that it may run on.
/// The ranks have the deadline, or 10 s if that is longer, to start, and to come to the end of the object.
/// A thread looks after the other ranks: when one of them dies, the job ends, and a message tells where it stood.
/// Where the process was started alone, or Ingot was built without MPI, the world has one rank; but without MPI, as one
/// of several, it throws Error.
class Launch {
 public:
  explicit Launch(const CommunicatorOptions& options = {});
  /// Waits for the other ranks; while an exception is on its way, it ends the job instead.
  ~Launch();
  Launch(const Launch&) = delete;
  Launch& operator=(const Launch&) = delete;

  /// Of the ranks that fail together, one of each host says why: whether it is this one. The first rank goes before
  /// the others, for which this waits up to a second.
  bool may_speak();
  /// Ends all ranks, with this exit code.
  [[noreturn]] void abort(int code);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;  // null: alone
};

}  // namespace ingot
