#include "autograd/op_def.h"
#include "ingot/init.h"
#include "ingot/nn.h"
#include "nn/refuse.h"
#include "nn/text.h"

namespace ingot {

NormBase::NormBase(int64_t features, const BatchNormOptions& norm) : num_features(features), options(norm) {
  require(features > 0, "BatchNorm", "num_features is {}, it must be positive", features);
  if (norm.affine) {
    parameter("weight", weight, ones({features}));
    parameter("bias", bias, zeros({features}));
  }
  if (norm.track_running_stats) {
    buffer("running_mean", running_mean, zeros({features}));
    buffer("running_var", running_var, ones({features}));
    // States written before PyTorch 0.4.1 lack it.
    buffer("num_batches_tracked", num_batches_tracked, zeros({}, DType::i64), {.zero_if_missing = true});
  }
}

void NormBase::check_input(const Tensor& x) const {
  check_rank(x);
  require(x.size(1) == num_features, type_name(), "x is {}, it must have {} channels", to_string(x.shape()),
          num_features);
}

Tensor BatchNormBase::forward(const Tensor& x) { return forward_fused(x, std::nullopt, false); }

Tensor BatchNormBase::forward_fused(const Tensor& x, const std::optional<Tensor>& residual, bool with_relu) {
  check_input(x);
  if (!uses_batch_statistics()) {
    Tensor y = batch_norm(x, *running_mean, *running_var, weight, bias, options.eps);
    if (residual) y = y + *residual;
    return with_relu ? relu(y) : y;
  }
  const BatchSync::Result r = normalise(x, residual, with_relu);
  if (is_training() && running_mean && !r.mean.is_abstract() && r.count > 0) {
    const auto batches = static_cast<double>(++*num_batches_tracked->mutable_data<int64_t>());
    update_running_stats(r.mean, r.var, r.count, options.momentum.value_or(1 / batches));
  }
  return r.y;
}

BatchSync::Result BatchNormBase::normalise(const Tensor& x, const std::optional<Tensor>& residual,
                                           bool with_relu) const {
  if (sync_)
    if (auto r = sync_->normalise(x, weight, bias, residual, with_relu, options.eps)) return std::move(*r);
  const BatchNormResult r = residual || with_relu
                                ? batch_norm_train_fused(x, weight, bias, residual, with_relu, options.eps)
                                : batch_norm_train(x, weight, bias, options.eps);
  return {r.y, r.mean, r.var, x.is_abstract() ? 0 : (x.numel() / num_features).value()};
}

std::string BatchNormBase::str() const {
  return sync_ ? fmt::format("SyncBatchNorm({})", extra_repr()) : NormBase::str();
}

void NormBase::update_running_stats(const Tensor& mean, const Tensor& var, int64_t count, double momentum) {
  const NoGrad no_grad;
  const auto blend = [&](Tensor& running, const Tensor& batch, double factor) {
    copy_into(running, running * (1 - momentum) + cast(batch, running.dtype()) * (momentum * factor));
  };
  blend(*running_mean, mean, 1);
  if (count > 1) blend(*running_var, var, static_cast<double>(count) / static_cast<double>(count - 1));
}

void NormBase::reset_parameters(RandomKey) {
  if (weight) constant_(*weight, 1);
  if (bias) constant_(*bias, 0);
  reset_running_stats();
}

void NormBase::reset_running_stats() {
  if (!running_mean) return;
  fill(*running_mean, 0);
  fill(*running_var, 1);
  fill(*num_batches_tracked, 0);
}

std::string NormBase::extra_repr() const {
  return fmt::format("{}, eps={}, momentum={}, affine={}, track_running_stats={}", num_features,
                     python_text(options.eps), options.momentum ? python_text(*options.momentum) : "None",
                     python_text(options.affine), python_text(options.track_running_stats));
}

Tensor norm_relu(BatchNormBase& norm, ReLU& activation, const Tensor& x, const std::optional<Tensor>& residual) {
  if (norm.uses_batch_statistics() && !norm.has_hooks() && !activation.has_hooks() && !tracing()) {
    const detail::CallScope scope(norm.scope());
    return norm.forward_fused(x, residual, true);
  }
  const Tensor y = norm.call({x})[0];
  return activation(residual ? y + *residual : y);
}

BatchNorm1d::BatchNorm1d(int64_t features, const BatchNormOptions& norm) : ModuleOf(features, norm) {}
void BatchNorm1d::check_rank(const Tensor& x) const {
  require(x.rank() == 2 || x.rank() == 3, "BatchNorm1d", "x is {}, it must be [N,C] or [N,C,L]", to_string(x.shape()));
}

BatchNorm3d::BatchNorm3d(int64_t features, const BatchNormOptions& norm) : ModuleOf(features, norm) {}
void BatchNorm3d::check_rank(const Tensor& x) const {
  require(x.rank() == 5, "BatchNorm3d", "x is {}, it must be [N,C,D,H,W]", to_string(x.shape()));
}

BatchNorm2d::BatchNorm2d(int64_t features, const BatchNormOptions& norm) : ModuleOf(features, norm) {}
void BatchNorm2d::check_rank(const Tensor& x) const {
  require(x.rank() == 4, "BatchNorm2d", "x is {}, it must be [N,C,H,W]", to_string(x.shape()));
}

}  // namespace ingot
