#include "cli/ranks.h"

#include <fmt/format.h>

#include <cstdio>
#include <string>

#include "cli/verb.h"
#include "ingot/launch.h"
#include "ingot/threads.h"

namespace ingot::cli {
namespace {

/// "rank 1 in step 12: ", before errors that do not say it.
std::string who(const std::string& error) {
  const std::string rank = fmt::format("rank {}", world().rank());
  if (error.find(rank + " waited") != std::string::npos) return "";
  return rank + (world().step() > 0 ? fmt::format(" in step {}: ", world().step()) : ": ");
}

/// An error that all ranks meet is told once.
[[noreturn]] void end_job(Launch& launch, const std::exception& error, int code) {
  if (launch.may_speak()) std::fprintf(stderr, "ingot: %s%s\n", who(error.what()).c_str(), error.what());
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
