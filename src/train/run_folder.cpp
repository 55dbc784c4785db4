#include "train/run_folder.h"

#include <array>

#include "base/check.h"
#include "base/file.h"
#include "base/text.h"
#include "train/build.h"
#include "train/checkpoint.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;

// What training and the verbs after it leave; results of a run that is thrown away must not stay beside a new one.
constexpr std::array kRunFiles{"config.yaml", "best.safetensors", "last.safetensors",  "log.jsonl",  "log.csv",
                               "eval.json",   "model.ingot",      "model.report.json", "bench.json", "report.html"};

/// The first line in which two configs differ, for the error.
void check_same_config(const fs::path& path, const std::string& before, const std::string& now) {
  if (const auto d = first_different_line(before, now))
    fail("{}:{}: the run has '{}', the config '{}': a run is resumed with the config that it began with", path.string(),
         d->line, d->first.value_or("nothing"), d->second.value_or("nothing"));
}

}  // namespace

bool is_run(const fs::path& folder) {
  const RunFiles files(folder);
  return fs::exists(files.config) || fs::exists(files.last) || fs::exists(files.best);
}

void check_run_folder(const TrainConfig& config, const TrainOptions& options) {
  const std::string out = options.out.string();
  CHECK(!options.out.empty(), "a run needs a folder to write to");
  CHECK(!options.resume || !options.overwrite, "resume and overwrite exclude each other");
  CHECK(!fs::exists(options.out) || fs::is_directory(options.out), "{}: is not a folder", out);
  if (options.resume) {
    const RunFiles files(options.out);
    CHECK(fs::exists(files.config), "{}: there is no run to resume", out);
    check_same_config(files.config, read_file(files.config), to_yaml(config));
    return;
  }
  CHECK(options.overwrite || !is_run(options.out),
        "{}: holds a run already; give --resume to go on with it or "
        "--overwrite to throw it away",
        out);
}

namespace {

/// What was half written when a run was killed.
void remove_temporaries(const fs::path& folder) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    for (const char* name : kRunFiles)
      if (entry.path().filename().string().starts_with(std::string(name) + ".tmp")) fs::remove(entry.path(), ignored);
}

}  // namespace

void begin_run_folder(const TrainConfig& config, const TrainOptions& options) {
  remove_temporaries(options.out);
  if (options.resume) return;
  std::error_code error;
  fs::create_directories(options.out, error);
  CHECK(!error, "{}: cannot make the folder: {}", options.out.string(), error.message());
  for (const char* name : kRunFiles) {
    fs::remove(options.out / name, error);
    CHECK(!error, "{}: cannot remove: {}", (options.out / name).string(), error.message());
  }
  write_file_atomic(RunFiles(options.out).config, to_yaml(config));
}

Run open_run(const fs::path& folder, const std::string& which) {
  const RunFiles files(folder);
  CHECK(which == "best" || which == "last", "a run has a best and a last checkpoint, not '{}'", which);
  CHECK(fs::is_directory(folder), "{}: there is no such run folder", folder.string());
  CHECK(fs::exists(files.config), "{}: is not a run folder, it has no config.yaml", folder.string());
  Run run{.folder = folder, .config = load_train_config(files.config), .task = {}, .model = nullptr};
  const fs::path path = which == "best" ? files.best : files.last;
  CHECK(fs::exists(path), "{}: is not there; has the first epoch ended?", path.string());
  Checkpoint checkpoint = load_checkpoint(path);
  run.task = std::move(checkpoint.task);
  try {
    run.model = make_unset_model(run.config.model, run.task);
    run.model->load_state_dict(checkpoint.model);
  } catch (const Error& error) {
    fail("{}: does not fit the run's config: {}", path.string(), error.what());
  }
  run.model->eval();
  return run;
}

}  // namespace ingot
