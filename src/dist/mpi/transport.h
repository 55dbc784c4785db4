#pragma once

#include <mpi.h>

#include <memory>

#include "dist/transport.h"

namespace ingot {

class Watch;

/// Throws Error with MPI's text where the code is one.
void check_mpi(int code, const char* call);

/// The ranks of an MPI communicator, which it owns unless it is the world's.
std::shared_ptr<Transport> mpi_transport(MPI_Comm comm, std::shared_ptr<Watch> watch);

}  // namespace ingot
