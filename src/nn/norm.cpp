#include "ingot/nn/norm.h"

#include "ingot/init.h"
#include "nn/refuse.h"
#include "nn/text.h"

namespace ingot {

LayerNorm::LayerNorm(const Shape& shape, const LayerNormOptions& o) : normalized_shape(shape), options(o) {
  require(!shape.empty(), "LayerNorm", "normalized_shape is empty");
  if (!o.elementwise_affine) return;
  parameter("weight", weight, ones(shape));
  if (o.bias) parameter("bias", bias, zeros(shape));
}
void LayerNorm::reset_parameters(RandomKey) {
  if (weight) constant_(*weight, 1);
  if (bias) constant_(*bias, 0);
}
std::string LayerNorm::extra_repr() const {
  std::string sizes;
  for (size_t d = 0; d < normalized_shape.size(); ++d) sizes += (d == 0 ? "" : ", ") + normalized_shape[d].str();
  return fmt::format("({}{}), eps={}, elementwise_affine={}", sizes, normalized_shape.size() == 1 ? "," : "",
                     python_text(options.eps), python_text(options.elementwise_affine));
}

GroupNorm::GroupNorm(int64_t groups, int64_t channels, const GroupNormOptions& o)
    : num_groups(groups), num_channels(channels), options(o) {
  require(groups > 0 && channels > 0 && channels % groups == 0, "GroupNorm", "{} channels do not divide into {} groups",
          channels, groups);
  if (!o.affine) return;
  parameter("weight", weight, ones({channels}));
  parameter("bias", bias, zeros({channels}));
}
Tensor GroupNorm::forward(const Tensor& x) const {
  require(x.rank() >= 2 && x.size(1) == num_channels, "GroupNorm", "x is {}, it must be [N,{},...]",
          to_string(x.shape()), num_channels);
  return group_norm(x, num_groups, weight, bias, options.eps);
}
void GroupNorm::reset_parameters(RandomKey) {
  if (weight) constant_(*weight, 1);
  if (bias) constant_(*bias, 0);
}
std::string GroupNorm::extra_repr() const {
  return fmt::format("{}, {}, eps={}, affine={}", num_groups, num_channels, python_text(options.eps),
                     python_text(options.affine));
}

InstanceNormBase::InstanceNormBase(int64_t features, size_t rank, const BatchNormOptions& o)
    : NormBase(features, o), rank_(static_cast<int64_t>(rank)) {
  // Nothing counts the batches, as in PyTorch, whose statistics then stand still.
  require(!o.track_running_stats || o.momentum, "InstanceNorm", "running statistics need a momentum");
}
void InstanceNormBase::check_rank(const Tensor& x) const {
  require(x.rank() == rank_, type_name(), "x is {}, it must have {} dimensions", to_string(x.shape()), rank_);
}

Tensor InstanceNormBase::forward(const Tensor& x) {
  check_input(x);
  if (!uses_batch_statistics()) return batch_norm(x, *running_mean, *running_var, weight, bias, options.eps);
  if (is_training() && running_mean && !x.is_abstract()) {
    const NoGrad no_grad;
    const Tensor lines = flatten(x, 2);
    update_running_stats(mean(mean(lines, {2}), {0}), mean(var(lines, {2}, 0), {0}), lines.size(2), *options.momentum);
  }
  return instance_norm(x, weight, bias, options.eps);
}

}  // namespace ingot
