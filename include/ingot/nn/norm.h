#pragma once

#include <memory>
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

/// What batch and instance norm share: parameters and running statistics per channel. The statistics move in training:
/// running = (1 - momentum) * running + momentum * batch, with the variance's Bessel correction.
class NormBase : public Module {
 public:
  bool uses_batch_statistics() const { return is_training() || !running_mean; }
  void reset_parameters(RandomKey key) override;
  /// Mean 0, variance 1, no batches.
  void reset_running_stats();
  bool is_a(std::string_view type) const override { return type == "_NormBase" || Module::is_a(type); }
  std::string extra_repr() const override;

  int64_t num_features;
  BatchNormOptions options;
  std::optional<Tensor> weight, bias;
  std::optional<Tensor> running_mean, running_var;
  std::optional<Tensor> num_batches_tracked;  // [] i64

 protected:
  NormBase(int64_t num_features, const BatchNormOptions& options);
  /// Throws Error where x has not the rank that the layer is for.
  virtual void check_rank(const Tensor& x) const = 0;
  /// The same, and where it has not num_features channels.
  void check_input(const Tensor& x) const;
  /// Moves the running statistics by a batch of `count` values a channel, given its mean and biased variance. One value
  /// has no variance, and the running one stays.
  void update_running_stats(const Tensor& mean, const Tensor& var, int64_t count, double momentum);
};

/// Statistics of several ranks' batches in place of one's own. They are those of all values together: `count` a
/// channel, over all ranks.
class BatchSync {
 public:
  virtual ~BatchSync() = default;
  struct Result {
    Tensor y, mean, var;  // biased
    int64_t count = 0;
  };
  /// y = relu(normalised x + residual), the ReLU only if `with_relu`. Nullopt where there is one rank, which normalises
  /// by itself.
  virtual std::optional<Result> normalise(const Tensor& x, const std::optional<Tensor>& weight,
                                          const std::optional<Tensor>& bias, const std::optional<Tensor>& residual,
                                          bool with_relu, double eps) const = 0;
};

/// y = (x - mean) / sqrt(var + eps) * weight + bias per channel, Ioffe & Szegedy 2015. In training with the batch's
/// statistics, in eval() with the running ones.
class BatchNormBase : public NormBase {
 public:
  Tensor forward(const Tensor& x);
  /// relu(forward(x) + residual) in one pass over memory.
  Tensor forward_fused(const Tensor& x, const std::optional<Tensor>& residual, bool relu);
  bool is_a(std::string_view type) const override {
    return type == "_BatchNorm" || (sync_ && type == "SyncBatchNorm") || NormBase::is_a(type);
  }
  /// From now on, in training, with the statistics that `sync` gives; null: with one's own. dist has the one
  /// (sync_batch_norm.h). Copies keep it, and a module with one is printed as SyncBatchNorm.
  void set_sync(std::shared_ptr<const BatchSync> sync) { sync_ = std::move(sync); }
  bool has_sync() const { return sync_ != nullptr; }
  std::string str() const override;

 protected:
  explicit BatchNormBase(int64_t num_features, const BatchNormOptions& options = {})
      : NormBase(num_features, options) {}

 private:
  BatchSync::Result normalise(const Tensor& x, const std::optional<Tensor>& residual, bool with_relu) const;

  std::shared_ptr<const BatchSync> sync_;
};

/// x [N,C] or [N,C,L].
class BatchNorm1d : public ModuleOf<BatchNorm1d, BatchNormBase> {
 public:
  explicit BatchNorm1d(int64_t num_features, const BatchNormOptions& options = {});

 protected:
  void check_rank(const Tensor& x) const override;
};

/// x [N,C,H,W].
class BatchNorm2d : public ModuleOf<BatchNorm2d, BatchNormBase> {
 public:
  explicit BatchNorm2d(int64_t num_features, const BatchNormOptions& options = {});

 protected:
  void check_rank(const Tensor& x) const override;
};

/// x [N,C,D,H,W].
class BatchNorm3d : public ModuleOf<BatchNorm3d, BatchNormBase> {
 public:
  explicit BatchNorm3d(int64_t num_features, const BatchNormOptions& options = {});

 protected:
  void check_rank(const Tensor& x) const override;
};

struct LayerNormOptions {
  double eps = 1e-5;
  bool elementwise_affine = true;
  bool bias = true;
};
/// layer_norm (ops.h) over the last dimensions, with its own weight and bias of `normalized_shape`.
class LayerNorm : public ModuleOf<LayerNorm> {
 public:
  explicit LayerNorm(const Shape& normalized_shape, const LayerNormOptions& options = {});
  explicit LayerNorm(int64_t size, const LayerNormOptions& options = {}) : LayerNorm(Shape{size}, options) {}
  Tensor forward(const Tensor& x) const { return layer_norm(x, normalized_shape, weight, bias, options.eps); }
  void reset_parameters(RandomKey key) override;
  std::string extra_repr() const override;

  Shape normalized_shape;
  LayerNormOptions options;
  std::optional<Tensor> weight, bias;
};

struct GroupNormOptions {
  double eps = 1e-5;
  bool affine = true;
};
/// group_norm (ops.h) with its own weight and bias [C]. Throws Error unless `num_groups` divides the channels.
class GroupNorm : public ModuleOf<GroupNorm> {
 public:
  GroupNorm(int64_t num_groups, int64_t num_channels, const GroupNormOptions& options = {});
  Tensor forward(const Tensor& x) const;
  void reset_parameters(RandomKey key) override;
  std::string extra_repr() const override;

  int64_t num_groups, num_channels;
  GroupNormOptions options;
  std::optional<Tensor> weight, bias;
};

/// The same over each sample's channels by themselves, Ulyanov et al. 2016. With track_running_stats, training
/// moves the running statistics by the samples' mean ones, and eval() uses them.
class InstanceNormBase : public NormBase {
 public:
  bool is_a(std::string_view type) const override { return type == "_InstanceNorm" || NormBase::is_a(type); }
  Tensor forward(const Tensor& x);

 protected:
  InstanceNormBase(int64_t num_features, size_t rank, const BatchNormOptions& options);
  void check_rank(const Tensor& x) const override;

 private:
  int64_t rank_;
};
/// PyTorch's defaults: neither parameters nor running statistics.
inline constexpr BatchNormOptions kInstanceNormDefaults{.affine = false, .track_running_stats = false};
/// x [N,C,L].
class InstanceNorm1d : public ModuleOf<InstanceNorm1d, InstanceNormBase> {
 public:
  explicit InstanceNorm1d(int64_t num_features, const BatchNormOptions& options = kInstanceNormDefaults)
      : ModuleOf(num_features, 3, options) {}
};
/// x [N,C,H,W].
class InstanceNorm2d : public ModuleOf<InstanceNorm2d, InstanceNormBase> {
 public:
  explicit InstanceNorm2d(int64_t num_features, const BatchNormOptions& options = kInstanceNormDefaults)
      : ModuleOf(num_features, 4, options) {}
};
/// x [N,C,D,H,W].
class InstanceNorm3d : public ModuleOf<InstanceNorm3d, InstanceNormBase> {
 public:
  explicit InstanceNorm3d(int64_t num_features, const BatchNormOptions& options = kInstanceNormDefaults)
      : ModuleOf(num_features, 5, options) {}
};

/// activation(norm(x) + residual), in one pass over memory where the norm trains and nobody looks in between: no hook
/// stands on either module, and no tracer runs.
Tensor norm_relu(BatchNormBase& norm, ReLU& activation, const Tensor& x, const std::optional<Tensor>& residual = {});

INGOT_INSTANCE class ModuleOf<BatchNorm1d, BatchNormBase>;
INGOT_INSTANCE class ModuleOf<BatchNorm2d, BatchNormBase>;
INGOT_INSTANCE class ModuleOf<BatchNorm3d, BatchNormBase>;
INGOT_INSTANCE class ModuleOf<LayerNorm>;
INGOT_INSTANCE class ModuleOf<GroupNorm>;
INGOT_INSTANCE class ModuleOf<InstanceNorm1d, InstanceNormBase>;
INGOT_INSTANCE class ModuleOf<InstanceNorm2d, InstanceNormBase>;
INGOT_INSTANCE class ModuleOf<InstanceNorm3d, InstanceNormBase>;

}  // namespace ingot
