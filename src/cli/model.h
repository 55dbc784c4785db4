#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/verb.h"
#include "ingot/engine.h"
#include "ingot/train.h"

// What verbs take as MODEL: a run folder (its best checkpoint), an .ingot file, or zoo:NAME.
namespace ingot::cli {

/// The batch of an engine is free from 1 to this, unless --max-batch says otherwise.
inline constexpr int64_t kMaxBatch = 64;
/// The batch at which tactics are timed and free sizes are shown.
inline constexpr int64_t kExampleBatch = 8;
inline constexpr const char* kBatchSymbol = "n";

struct ModelChoice {
  std::string text;     // as the user wrote it
  std::string shapes;   // "3x224x224": the image that a net of the zoo is made for; empty: its usual one
  uint64_t seed = 0;    // of a zoo net's weights
  bool verify = false;  // an engine's weights with their hashes
};

/// A model that was named on the command line: a module in eval mode or an engine, and what its images are.
struct Model {
  std::string name;                // as the user wrote it
  std::unique_ptr<Module> module;  // of a run or the zoo
  std::optional<Engine> engine;
  Shape image;  // [C,H,W]
  Preprocessing preprocessing;
  std::vector<std::string> class_names;
  std::optional<Run> run;  // its model has moved to `module`

  bool is_engine() const { return engine.has_value(); }
};

/// Throws Refusal where there is no such model, or it cannot be read.
Model load_model(const ModelChoice& choice);
/// The same, and refuses an engine: "summary wants a run folder or zoo:NAME, ...".
Model load_module(const ModelChoice& choice, const std::string& verb);

/// --shapes and --seed.
void add_model_options(CLI::App& app, ModelChoice& choice);
/// --verify.
void add_verify_option(CLI::App& app, ModelChoice& choice);

/// The module in eval mode as a graph from "image" to "scores", its batch free from 1 to `max_batch`, or 1.
Traced trace_model(const Model& model, int64_t max_batch = kMaxBatch);

/// All names of pass_names(): what leaves a graph as it was traced.
std::set<std::string> all_passes();

/// Throws Refusal for the name of a pass that there is not.
void check_passes(const std::vector<std::string>& names);

/// A batch of images as a model with this preprocessing wants it: (x * scale - mean) / std by channel, f32.
Tensor preprocess(const Tensor& images, const Preprocessing& preprocessing);

/// "engine.report.json" of "engine.ingot".
std::filesystem::path report_path(const std::filesystem::path& engine);

/// The largest batch that the engine takes.
int64_t max_batch_of(const Engine& engine);

}  // namespace ingot::cli
