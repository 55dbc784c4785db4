#include "ingot/launch.h"

#include <mpi.h>

#include <algorithm>
#include <cstdlib>
#include <exception>

#include "base/check.h"
#include "base/parallel.h"
#include "dist/groups.h"
#include "dist/mpi/transport.h"
#include "dist/mpi/watch.h"

namespace ingot {

struct Launch::Impl {
  bool threads = false;
  int exceptions = std::uncaught_exceptions();
  std::shared_ptr<Watch> watch;
};

std::string mpi_version() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  MPI_Get_library_version(text, &length);
  return std::string(text, static_cast<size_t>(length)).substr(0, std::string_view(text).find(','));
}

Launch::Launch(const CommunicatorOptions& options) {
  if (!is_launched()) return;
  impl_ = std::make_unique<Impl>();
  int provided = MPI_THREAD_SINGLE;
  check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided), "MPI_Init_thread");
  impl_->threads = provided == MPI_THREAD_MULTIPLE;
  impl_->watch = std::make_shared<Watch>(impl_->threads);
  set_world(std::make_shared<Communicator>(mpi_transport(MPI_COMM_WORLD, impl_->watch), options));
  set_num_threads(std::max(1, available_cpus() / impl_->watch->ranks_on_cpus()));
}

Launch::~Launch() {
  if (!impl_) return;
  if (std::uncaught_exceptions() > impl_->exceptions) abort(1);
  forget_groups();
  impl_->watch->stop();
  MPI_Finalize();
}

void Launch::abort(int code) {
  if (impl_) MPI_Abort(MPI_COMM_WORLD, code);
  std::_Exit(code);
}

bool Launch::threads() const { return !impl_ || impl_->threads; }

}  // namespace ingot
