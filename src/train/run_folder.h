#pragma once

#include <filesystem>

#include "ingot/train.h"

// The names of the files in a run folder, and how one is begun.
namespace ingot {

struct RunFiles {
  explicit RunFiles(const std::filesystem::path& folder)
      : config(folder / "config.yaml"), best(folder / "best.safetensors"), last(folder / "last.safetensors") {}
  std::filesystem::path config, best, last;
};

/// Throws Error where TrainOptions do not agree with what is in the folder.
void check_run_folder(const TrainConfig& config, const TrainOptions& options);
/// Makes the folder, removes an earlier run's files unless the run is resumed, writes config.yaml.
void begin_run_folder(const TrainConfig& config, const TrainOptions& options);

}  // namespace ingot
