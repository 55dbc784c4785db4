#pragma once

#include <optional>
#include <string>

#include "ingot/nn/activation.h"
#include "ingot/ops.h"

namespace ingot {

struct BatchNormOptions {
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  // none: cumulative average over all batches
  bool affine = true;                    // weight and bias
  bool track_running_stats = true;       // without them eval() uses the batch's statistics too
};

/// y = (x - mean) / sqrt(var + eps) * weight + bias per channel, Ioffe & Szegedy 2015. In training with the batch's
/// statistics, which move the running ones: running = (1 - momentum) * running + momentum * batch, where the running
/// variance takes the batch's variance with Bessel's correction. In eval() with the running statistics.
class BatchNormBase : public Module {
 public:
  Tensor forward(const Tensor& x);
  /// relu(forward(x) + residual) in one pass over memory.
  Tensor forward_fused(const Tensor& x, const std::optional<Tensor>& residual, bool relu);
  bool uses_batch_statistics() const { return is_training() || !running_mean; }
  void reset_parameters(RandomKey key) override;
  /// Mean 0, variance 1, no batches.
  void reset_running_stats();
  bool is_a(std::string_view type) const override { return type == "_BatchNorm" || Module::is_a(type); }
  std::string extra_repr() const override;

  int64_t num_features;
  BatchNormOptions options;
  std::optional<Tensor> weight, bias;
  std::optional<Tensor> running_mean, running_var;
  std::optional<Tensor> num_batches_tracked;  // [] i64

 protected:
  explicit BatchNormBase(int64_t num_features, const BatchNormOptions& options = {});
  /// Throws Error where x has not the rank that the layer is for.
  virtual void check_input(const Tensor& x) const = 0;
  /// Moves the running statistics by a batch of `count` values a channel, given its mean and biased variance.
  void update_running_stats(const Tensor& mean, const Tensor& var, int64_t count);
};

/// x [N,C] or [N,C,L].
class BatchNorm1d : public ModuleOf<BatchNorm1d, BatchNormBase> {
 public:
  explicit BatchNorm1d(int64_t num_features, const BatchNormOptions& options = {});

 protected:
  void check_input(const Tensor& x) const override;
};

/// x [N,C,H,W].
class BatchNorm2d : public ModuleOf<BatchNorm2d, BatchNormBase> {
 public:
  explicit BatchNorm2d(int64_t num_features, const BatchNormOptions& options = {});

 protected:
  void check_input(const Tensor& x) const override;
};

/// activation(norm(x) + residual), in one pass over memory where the norm trains and nobody looks in between: no hook
/// stands on either module, and no tracer runs.
Tensor norm_relu(BatchNormBase& norm, ReLU& activation, const Tensor& x, const std::optional<Tensor>& residual = {});

}  // namespace ingot
