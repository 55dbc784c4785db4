#pragma once

#include "autograd/op_def.h"
#include "ingot/ops.h"

namespace ingot {

/// Every op by name, for the text form, engine files and the op tests; nullptr where there is none.
const OpDef* find_op(std::string_view name);
std::span<const OpDef* const> all_ops();

struct CrossEntropyAttrs;
/// Of each target: its loss, and the weight that it has in a mean, without gradient where it is fused.
struct ClassLoss {
  Tensor loss, weight;
};
/// For log-probabilities [N,C,d...] and class indices [N,d...], which are not checked: the loss of cross_entropy
/// (losses.h) by plain ops.
ClassLoss nll_elements(const Tensor& log_p, const Tensor& target, const std::optional<Tensor>& class_weight,
                       const CrossEntropyAttrs& attrs);
/// The same from scores, fused with log_softmax. Checks all operands.
ClassLoss cross_entropy_elements(const Tensor& x, const Tensor& target, const std::optional<Tensor>& class_weight,
                                 const CrossEntropyAttrs& attrs);

}  // namespace ingot
