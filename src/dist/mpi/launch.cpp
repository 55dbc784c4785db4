#include "ingot/launch.h"

#include <mpi.h>

#include <algorithm>
#include <cstdlib>
#include <exception>

#include "base/check.h"
#include "base/log.h"
#include "base/parallel.h"
#include "dist/groups.h"
#include "dist/mpi/patience.h"
#include "dist/mpi/transport.h"
#include "dist/mpi/watch.h"

namespace ingot {

struct Launch::Impl {
  int exceptions = std::uncaught_exceptions();
  std::chrono::duration<double> deadline{};  // for ranks to start and to end
  std::shared_ptr<Watch> watch;
  [[noreturn]] void give_up(const char* what) const;
};

namespace {

/// However soon ranks must come to a collective: programs are read from disks and started by other machines.
constexpr std::chrono::seconds kLeast{10};

/// As the launcher numbers it, which is known before MPI runs.
int launched_rank() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID"})
    if (const char* const text = std::getenv(name)) return std::atoi(text);
  return 0;
}

/// The first rank's message ends the job before the others speak.
std::chrono::duration<double> turn_to_speak() {
  constexpr std::chrono::seconds kUntilTheLauncherEndsAll{3};
  return launched_rank() == 0 ? std::chrono::seconds(0) : kUntilTheLauncherEndsAll;
}

}  // namespace

/// There is no memory to tell the others by.
void Launch::Impl::give_up(const char* what) const {
  log_warning("rank {} waited {:.3g} s for the other ranks to {}: the job ends", launched_rank(), deadline.count(),
              what);
  std::_Exit(1);
}

std::string mpi_version() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  MPI_Get_library_version(text, &length);
  return std::string(text, static_cast<size_t>(length)).substr(0, std::string_view(text).find(','));
}

Launch::Launch(const CommunicatorOptions& options) {
  if (!is_launched()) return;
  impl_ = std::make_unique<Impl>();
  impl_->deadline = std::max<std::chrono::duration<double>>(options.deadline, kLeast);
  const Patience patience(impl_->deadline + turn_to_speak(), [&] { impl_->give_up("start"); });
  int provided = MPI_THREAD_SINGLE;
  check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided), "MPI_Init_thread");
  impl_->watch = std::make_shared<Watch>(provided == MPI_THREAD_MULTIPLE, options.deadline);
  set_world(std::make_shared<Communicator>(mpi_transport(MPI_COMM_WORLD, impl_->watch), options));
  set_num_threads(std::max(1, available_cpus() / impl_->watch->ranks_on_cpus()));
}

Launch::~Launch() {
  if (!impl_) return;
  if (std::uncaught_exceptions() > impl_->exceptions) abort(1);
  forget_groups();
  const Patience patience(impl_->deadline + turn_to_speak(), [&] { impl_->give_up("end"); });
  impl_->watch->stop();
  MPI_Finalize();
}

bool Launch::may_speak() { return !impl_ || impl_->watch->may_speak(); }

void Launch::abort(int code) {
  if (impl_) impl_->watch->end_job(code);
  std::_Exit(code);
}

}  // namespace ingot
