#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "base/text.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "cli/verbs.h"
#include "ingot/launch.h"
#include "ingot/threads.h"

namespace ingot::cli {
namespace {

const Verb* const kVerbs[] = {
    &kTrain, &kEval, &kBuild, &kCompare, &kBench, &kPredict, &kReport, &kInspect, &kConvert, &kSummary, &kDoctor,
};

int refuse(const char* text, const CLI::App& app) {
  std::fprintf(stderr, "ingot: %s\nSee `%s --help`.\n", text, app.get_name().c_str());
  return kRefused;
}

/// The command that was named, so that its own help is shown and pointed at.
const CLI::App& chosen(const CLI::App& app) {
  const auto verbs = app.get_subcommands();
  return verbs.empty() ? app : *verbs.front();
}

/// CLI11 only says that a command is missing; the name that was tried helps more.
std::optional<std::string> unknown_verb(const std::string& name) {
  std::vector<std::string> names;
  for (const Verb* verb : kVerbs) {
    if (name == verb->name) return std::nullopt;
    names.emplace_back(verb->name);
  }
  return fmt::format("there is no command '{}'{}", name, did_you_mean(name, names));
}

int run(int argc, char** argv) {
  CLI::App app("Ingot trains vision networks and compiles them into fused CPU engines.", "ingot");
  if (argc > 1 && argv[1][0] != '-')
    if (const auto text = unknown_verb(argv[1])) return refuse(text->c_str(), app);
  app.require_subcommand(1);
  app.set_version_flag("--version", "ingot " INGOT_VERSION);
  Work work;
  for (const Verb* verb : kVerbs) {
    CLI::App* const sub = app.add_subcommand(verb->name, verb->help);
    sub->footer(std::string("Example:\n") + verb->example);
    sub->callback([&work, verb, bound = verb->declare(*sub)] {
      if (is_launched() && !verb->on_ranks)
        throw CLI::ValidationError(fmt::format("ingot {} is for one process, mpirun started several", verb->name));
      work = bound;
    });
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {  // --help, --version
    app.exit(help);
    return kDone;
  } catch (const CLI::ParseError& error) {
    return refuse(error.what(), chosen(app));
  }
  return work();
}

}  // namespace

void add_json_option(CLI::App& app, bool& json) { app.add_flag("--json", json, "Print one JSON object"); }

namespace {
std::optional<int> g_threads;
}

void add_threads_option(CLI::App& app) {
  app.add_option_function<int>(
         "--threads", [](int threads) { set_num_threads(*(g_threads = threads)); },
         "Threads to compute on; all CPUs unless given")
      ->check(CLI::PositiveNumber);
}
std::optional<int> asked_threads() { return g_threads; }

}  // namespace ingot::cli

int main(int argc, char** argv) {
  using namespace ingot;
  try {
    return cli::run(argc, argv);
  } catch (const cli::Refusal& error) {
    std::fprintf(stderr, "ingot: %s\n", error.what());
    return cli::kRefused;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ingot: %s\n", error.what());
    return cli::kFailed;
  }
}
