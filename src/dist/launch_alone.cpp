#include <cstdlib>

#include "base/check.h"
#include "ingot/launch.h"

// In place of mpi/ where there is no MPI.
namespace ingot {

struct Launch::Impl {};

std::string mpi_version() { return ""; }

Launch::Launch(const CommunicatorOptions&) {
  CHECK(!is_launched(), "this is one of several ranks, but Ingot was built without MPI (Debian's libopenmpi-dev)");
}
Launch::~Launch() = default;
bool Launch::may_speak() { return true; }
void Launch::abort(int code) { std::exit(code); }

}  // namespace ingot
