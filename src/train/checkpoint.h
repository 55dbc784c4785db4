#pragma once

#include <filesystem>
#include <string>

#include "ingot/data_loader.h"
#include "ingot/io.h"
#include "ingot/schedulers.h"
#include "ingot/train.h"

namespace ingot {

/// Where a training loop stands. Nothing in it depends on the clock: equal runs write equal files.
struct LoopState {
  int64_t epoch = 0;  // whole epochs done, validation included
  int64_t step = 0;
  int64_t averaged = 0;  // steps in the average of the weights
  LoaderState loader;
  ReduceLROnPlateau::State plateau;  // best is NaN where no epoch was good yet
  // Of the epoch that is under way.
  double loss_sum = 0;
  int64_t right = 0, samples = 0;
  // Of the best epoch so far; 0: none yet.
  int64_t best_epoch = 0;
  double best_accuracy = 0;
};

/// One safetensors file: `model.<name>`, `live.<name>` and `optimizer.<index>.<name>` tensors, and everything else as
/// JSON in its metadata, with hashes of both.
struct Checkpoint {
  TensorsByName model;
  TensorsByName live;  // what training goes on from, where `model` is an average; else empty
  OptimizerState optimizer;
  LoopState loop;
  Task task;
  std::string data_hash;
};

/// The file is replaced as a whole, or stays as it was.
void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint);
/// Throws Error naming the path where the file is not a checkpoint, is truncated, or any bit of it is not what was
/// written.
Checkpoint load_checkpoint(const std::filesystem::path& path);

}  // namespace ingot
