#include <algorithm>

#include "base/check.h"
#include "base/text.h"
#include "ingot/models.h"
#include "nn/models/blocks.h"

namespace ingot {
namespace {

/// Where the kind belongs if nobody says.
AttentionPosition position_of(const AttentionOptions& o, AttentionPosition usual) {
  if (o.position) return *o.position;
  if (replaces_conv(o.kind)) return AttentionPosition::conv;
  const bool ends_stages =
      std::holds_alternative<BAMOptions>(o.kind) || std::holds_alternative<NonLocalOptions>(o.kind);
  return ends_stages ? AttentionPosition::stage : usual;
}

bool takes_stage(const AttentionOptions& o, int64_t stage, int64_t last) {
  if (!o.stages.empty()) return std::find(o.stages.begin(), o.stages.end(), stage) != o.stages.end();
  if (std::holds_alternative<NonLocalOptions>(o.kind) || std::holds_alternative<MHSAOptions>(o.kind))
    return stage == last;
  return !std::holds_alternative<BAMOptions>(o.kind) || stage != last;
}

}  // namespace

AttentionPlan::AttentionPlan(const std::optional<AttentionOptions>& options, AttentionPosition usual,
                             std::vector<int64_t> strides)
    : options_(options) {
  if (!options) return;
  for (const int64_t stride : strides)
    stage_of_.push_back(stage_of_.empty() ? 1 : stage_of_.back() + (stride == 1 ? 0 : 1));
  position_ = position_of(*options, usual);
  const std::string_view name = name_of(options->kind);
  if (replaces_conv(options->kind))
    CHECK(position_ == AttentionPosition::conv, "{} stands in the place of a convolution: its position is conv", name);
  else
    CHECK(position_ != AttentionPosition::conv,
          "{} cannot stand in the place of a convolution: its position is inner, residual, output or stage", name);
  for (const int64_t stage : options->stages)
    CHECK(stage >= 1 && stage <= stage_of_.back(), "there is no stage {}: the network has stages 1 to {}", stage,
          stage_of_.back());
}

BlockAttention AttentionPlan::of(size_t block) const {
  if (!options_ || !takes_stage(*options_, stage_of_[block], stage_of_.back())) return {};
  const bool ends_stage = block + 1 == stage_of_.size() || stage_of_[block + 1] != stage_of_[block];
  if (position_ != AttentionPosition::stage) return {options_->kind, position_};
  return ends_stage ? BlockAttention{options_->kind, AttentionPosition::output} : BlockAttention{};
}

std::unique_ptr<Module> BlockAttention::make(AttentionPosition here, const AttentionShape& shape) const {
  return kind && position == here ? make_attention(*kind, shape) : nullptr;
}

void AttentionBlock::attend(std::unique_ptr<Module> attention, AttentionPosition here) {
  if (!attention) return;
  attention_ = child_count();
  position_ = here;
  own("attention", std::move(attention));
}

Tensor AttentionBlock::attended(AttentionPosition here, const Tensor& x) const {
  return attention_ && position_ == here ? child_at(*attention_)->call({x})[0] : x;
}

Tensor AttentionBlock::finish(BatchNorm2d& norm, ReLU& relu, const Tensor& x, const Tensor& shortcut) const {
  const bool between = attention_ && position_ == AttentionPosition::residual;
  const Tensor y =
      between ? relu(attended(AttentionPosition::residual, norm(x)) + shortcut) : norm_relu(norm, relu, x, shortcut);
  return attended(AttentionPosition::output, y);
}

}  // namespace ingot
