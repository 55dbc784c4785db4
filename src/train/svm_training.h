#pragma once

#include <memory>

#include "ingot/svm.h"
#include "ingot/train.h"

namespace ingot {

/// What training a linear SVM has beside an ordinary run: all training images in memory, for what each epoch reports
/// and, where the config asks for it, the solver.
class SvmTraining {
 public:
  /// Null where the loss is another. `images` are normalised.
  static std::unique_ptr<SvmTraining> of(const TrainConfig& config, const DatasetHandle& images, int64_t classes);

  bool solves() const { return solver_ != nullptr; }
  /// Of a LinearClassifier.
  void round(Module& model);
  SvmReport report(Module& model) const;
  /// The mean loss as training reports it: objective / (C N).
  double mean_loss(const SvmReport& report) const;

  /// The solver's state, in the form that checkpoints have.
  OptimizerState state_dict() const;
  void load_state_dict(const OptimizerState& state);

 private:
  SvmTraining(const SvmProblem& problem, Tensor features, Tensor target);

  SvmProblem problem_;
  Tensor features_, target_;  // [N,D], [N]
  std::unique_ptr<SvmSolver> solver_;
};

/// Throws Error where the config's parts do not go together for an SVM.
void check_svm(const TrainConfig& config);

}  // namespace ingot
