#pragma once

#include <functional>

#include <CLI/CLI.hpp>

#include "ingot/communicator.h"

namespace ingot::cli {

/// --deadline and --check-collectives.
void add_rank_options(CLI::App& app, CommunicatorOptions& options);

/// Runs the work of a verb on this rank, if mpirun or srun started several. An error of one rank is printed with its
/// number and ends the job with the verb's exit code.
int on_ranks(const CommunicatorOptions& options, const std::function<int()>& work);

/// What only one rank prints and writes.
bool is_first_rank();

}  // namespace ingot::cli
