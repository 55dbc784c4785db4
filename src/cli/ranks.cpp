#include "cli/ranks.h"

#include <cstdio>
#include <thread>

#include "cli/verb.h"
#include "ingot/launch.h"
#include "ingot/threads.h"

namespace ingot::cli {
namespace {

/// An error that all ranks meet is told once: the first rank's message ends the job before the others speak.
[[noreturn]] void end_job(Launch& launch, const std::exception& error, int code) {
  constexpr std::chrono::milliseconds kAfterTheFirst{500};
  const int rank = world().rank();
  if (rank > 0) std::this_thread::sleep_for(kAfterTheFirst);
  std::fprintf(stderr, "ingot: rank %d: %s\n", rank, error.what());
  std::fflush(nullptr);
  launch.abort(code);
}

}  // namespace

void add_rank_options(CLI::App& app, CommunicatorOptions& options) {
  app.add_option_function<double>(
         "--deadline", [&options](double seconds) { options.deadline = std::chrono::duration<double>(seconds); },
         "Seconds after which a rank that does not come ends a job of several; 300 unless given")
      ->check(CLI::PositiveNumber);
  app.add_flag("--check-collectives", options.check_calls, "Ranks compare each collective before they begin it");
}

int on_ranks(const CommunicatorOptions& options, const std::function<int()>& work) {
  Launch launch(options);
  if (world().size() == 1) return work();
  if (const auto threads = asked_threads()) set_num_threads(*threads);
  try {
    return work();
  } catch (const Refusal& error) {
    end_job(launch, error, kRefused);
  } catch (const std::exception& error) {
    end_job(launch, error, kFailed);
  }
}

bool is_first_rank() { return world().rank() == 0; }

}  // namespace ingot::cli
