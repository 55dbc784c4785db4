#pragma once

#include <functional>
#include <optional>
#include <string>
#include <type_traits>

#include <CLI/CLI.hpp>

#include "ingot/error.h"

namespace ingot::cli {

/// What `ingot` returns to the shell.
enum ExitCode : int {
  kDone = 0,
  kFailed = 1,        // the work failed, or the answer is no
  kRefused = 2,       // usage, config or input
  kInterrupted = 130  // Ctrl-C, after saving
};

/// Usage, a config or an input that is refused, before any work began.
class Refusal : public Error {
 public:
  using Error::Error;
};

/// Runs a part of a verb that reads what the user gave: its errors become refusals.
///   const TrainConfig config = reading([&] { return load_config(options.config, options.set); });
template <class F>
std::invoke_result_t<F> reading(F&& part) {
  try {
    return part();
  } catch (const Error& error) {
    throw Refusal(error.what());
  }
}

/// The work of a verb, with its options bound. An Error that it throws is printed and becomes exit code 1, a Refusal 2.
using Work = std::function<int()>;

/// One command of `ingot`: one file src/cli/<name>.cpp, one line in main.cpp's table.
struct Verb {
  const char* name;
  const char* help;                // one line
  const char* example;             // lines that a user could type; --help shows them
  Work (*declare)(CLI::App& app);  // declares the options; what it returns runs once they are parsed
  bool on_ranks = false;           // mpirun may start it several times
};

/// --json: stdout holds one object and nothing else.
void add_json_option(CLI::App& app, bool& json);
/// --threads N, applied at once.
void add_threads_option(CLI::App& app);
/// What was given there.
std::optional<int> asked_threads();

}  // namespace ingot::cli
