#include <algorithm>
#include <cstdlib>
#include <iterator>

#include "ingot/launch.h"

namespace ingot {
namespace {

int number(const char* name) {
  const char* const text = std::getenv(name);
  return text == nullptr ? 0 : std::atoi(text);
}

}  // namespace

bool is_launched() {
  constexpr const char* kSizes[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS"};
  if (std::any_of(std::begin(kSizes), std::end(kSizes), [](const char* name) { return number(name) > 1; })) return true;
  return std::getenv("PMIX_RANK") != nullptr && number("SLURM_NTASKS") > 1;
}

}  // namespace ingot
