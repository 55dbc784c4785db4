#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "ingot/module.h"

// Averages of a model's parameters over training: SWA (Izmailov et al. 2018) and EMA. Facts follow
// torch/optim/swa_utils.py of PyTorch 2.
namespace ingot {

struct AveragedModelOptions {
  std::optional<double> ema_decay = {};  // avg = decay * avg + (1 - decay) * value; none: the mean of all values
  bool use_buffers = false;              // averages floating buffers too; else they are the last model's
};

/// A copy of a model whose parameters are averages of those that it was shown; the first are taken as they are.
class AveragedModel {
 public:
  /// Throws Error for a decay outside [0, 1].
  explicit AveragedModel(const Module& model, const AveragedModelOptions& options = {});

  /// Takes the model's present values in. Throws Error where its tensors are others than the copy's.
  void update_parameters(const Module& model);

  Module& module() { return *module_; }
  const Module& module() const { return *module_; }
  int64_t n_averaged() const { return n_averaged_; }

  /// PyTorch's names: "n_averaged" ([] i64) and "module." before the model's.
  TensorsByName state_dict() const;
  /// Throws Error, with nothing changed, where names or shapes are not those.
  void load_state_dict(const TensorsByName& state);
  /// The same of the model's own names.
  void load(int64_t n_averaged, const TensorsByName& model);

 private:
  AveragedModelOptions options_;
  std::unique_ptr<Module> module_;
  int64_t n_averaged_ = 0;
};

/// Sets the running statistics of all batch norms to the means over the batches that `feed` shows the model: an average
/// of parameters has other statistics than any model that it is of. The model is in training mode meanwhile, without
/// gradients; afterwards modes and momenta are as they were, whatever `feed` throws.
void update_bn(Module& model, const std::function<void(Module&)>& feed);

}  // namespace ingot
