#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "ingot/averaging.h"
#include "ingot/losses.h"
#include "ingot/schedulers.h"
#include "ingot/train.h"

// From sections of a TrainConfig to the objects that they describe.
namespace ingot {

/// The model for this task with its init_cfg, its parameters unset: they are loaded, or set by init_weights.
std::unique_ptr<Module> make_unset_model(const ModelConfig& config, const Task& task);

/// Scores and class indices to the sum over the batch, and what the mean divides by.
using Loss = std::function<LossSum(const Tensor& scores, const Tensor& target)>;
/// The SVM's has the regulariser of the model's parameters for so many training images.
Loss make_loss(const LossConfig& config, const Module& model, int64_t samples);

/// Null for SvmSolver.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config, const Tensors& params);

/// Null where there is none to follow, or ReduceLROnPlateau. Throws Error where the schedules are longer than the
/// training, or one follows another that has no end.
std::unique_ptr<LRScheduler> make_scheduler(const std::vector<SchedulerConfig>& configs, Optimizer& optimizer,
                                            int64_t epochs, int64_t steps_per_epoch);

/// What moves the rate by a measure of each epoch, and that measure. Null where the config has no such schedule. Throws
/// Error where others stand beside it.
std::unique_ptr<ReduceLROnPlateau> make_plateau(const std::vector<SchedulerConfig>& configs, Optimizer& optimizer);
double monitored(const ReduceLROnPlateauConfig& config, const EpochRecord& epoch);

/// Null where the config asks for none.
std::unique_ptr<AveragedModel> make_average(const std::optional<AverageConfig>& config, const Module& model);
/// Whether weights after this many of all steps are part of it.
bool is_averaged(const AverageConfig& config, int64_t step, int64_t steps);

/// Resize and CenterCrop by these numbers, one or two each (DataConfig); none for an empty list.
std::vector<Transform> sizing(const std::vector<int64_t>& resize, const std::vector<int64_t>& center_crop);

/// The training images as the network sees them: resized, augmented, f32, normalised.
DatasetHandle augmented(DatasetHandle images, const Task& task, const DataConfig& config);

}  // namespace ingot
