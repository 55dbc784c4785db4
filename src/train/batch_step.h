#pragma once

#include <memory>

#include "ingot/data_loader.h"
#include "train/build.h"

namespace ingot {

/// Images of one shard, of which deterministic runs are made.
inline constexpr int64_t kShardImages = 16;

/// What all ranks together found in a step; counts are of the whole batch.
struct StepResult {
  double loss = 0;  // mean
  int64_t right = 0, samples = 0;
  bool stop = false;  // a rank was asked to
};

/// The loss of a batch and its gradients, in the parameters' grad(): computed alone, by ranks that each have a part, or
/// in shards whose number does not show.
class BatchStep {
 public:
  virtual ~BatchStep() = default;
  /// `step` counts from 0; `batch` is this rank's part, and may be empty.
  virtual StepResult run(const Batch& batch, int64_t step, bool stop) = 0;
  /// Every so many steps: throws Error where ranks' parameters have drifted apart.
  virtual void check_equal() {}
  /// Before evaluating: buffers that differ from rank to rank become rank 0's.
  virtual void share_buffers() {}
  virtual Traffic gradient_traffic() const { return {}; }
};

/// Makes batch norms synchronised where the config asks for it: before the model is copied.
void prepare_for_ranks(const DistributedConfig& config, Module& model);
/// For the ranks of the world. `optimizer` steps the model's parameters.
std::unique_ptr<BatchStep> make_batch_step(const TrainConfig& config, const Task& task, Module& model, const Loss& loss,
                                           Optimizer& optimizer);

/// A batch without images has no tensors: with them, of the task's shape.
Batch with_tensors(Batch batch, const Task& task);

/// The text of the first rank that has one, on all ranks; "" where none has.
std::string first_text(const std::string& text);
/// Throws Error, on all ranks, where their configs, data or programs differ.
void check_ranks_agree(const TrainConfig& config, const TrainOptions& options);

}  // namespace ingot
