// Losses of two classes, element by element.
#include <limits>

#include "nn/loss_parts.h"

namespace ingot {
namespace {

Tensor weighted(const Tensor& loss, const std::optional<Tensor>& weight) { return weight ? loss * *weight : loss; }

/// max(log x, -100), with gradient 0 rather than NaN where x is 0.
Tensor bounded_log(const Tensor& x) {
  constexpr double kLeast = -100;
  const Tensor positive = x > 0.0;
  const Tensor logarithm = log(where(positive, x, scalar(1, x.dtype())));
  return where(positive, maximum(logarithm, kLeast), scalar(kLeast, x.dtype()));
}

Tensor with_logits(const Tensor& x, const Tensor& target, const std::optional<Tensor>& pos_weight) {
  Tensor softly = softplus(-x);
  if (pos_weight) softly = softly * ((*pos_weight - 1.0) * target + 1.0);
  return (1.0 - target) * x + softly;
}

}  // namespace

Tensor binary_cross_entropy(const Tensor& x, const Tensor& target, const BinaryOptions& options) {
  constexpr std::string_view kWho = "binary_cross_entropy";
  require_same_shape(x, target, kWho);
  require(!options.pos_weight, kWho, "pos_weight is for binary_cross_entropy_with_logits only");
  if (!x.is_abstract())
    for (const double p : x.to_vector<double>())
      require(p >= 0 && p <= 1, kWho, "the input {} is outside [0, 1]: it must be a probability", p);
  const Tensor loss = -(target * bounded_log(x) + (1.0 - target) * bounded_log(1.0 - x));
  return reduced(weighted(loss, options.weight), options.reduction, kWho);
}

Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& target, const BinaryOptions& options) {
  constexpr std::string_view kWho = "binary_cross_entropy_with_logits";
  require_same_shape(x, target, kWho);
  return reduced(weighted(with_logits(x, target, options.pos_weight), options.weight), options.reduction, kWho);
}

Tensor sigmoid_focal_loss(const Tensor& x, const Tensor& target, const FocalOptions& options) {
  constexpr std::string_view kWho = "sigmoid_focal_loss";
  require_same_shape(x, target, kWho);
  require(options.gamma >= 0, kWho, "gamma is {}, it must not be negative", options.gamma);
  require(options.alpha <= 1, kWho, "alpha is {}, it must be at most 1", options.alpha);
  Tensor loss = with_logits(x, target, std::nullopt);
  if (options.gamma > 0) {
    // 1 - p_t without cancellation. Its power has no finite slope at 0 for gamma below 1, hence the least value.
    const Tensor wrong = target * sigmoid(-x) + (1.0 - target) * sigmoid(x);
    loss = loss * pow(maximum(wrong, std::numeric_limits<float>::min()), options.gamma);
  }
  if (options.alpha >= 0) loss = loss * (target * (2 * options.alpha - 1) + (1 - options.alpha));
  return reduced(loss, options.reduction, kWho);
}

Tensor dice_loss(const Tensor& x, const Tensor& target, const DiceOptions& options) {
  constexpr std::string_view kWho = "dice_loss";
  require_same_shape(x, target, kWho);
  require(x.rank() >= 2, kWho, "the input is {}, it must be [N,d...]", to_string(x.shape()));
  const Tensor p = flatten(x, 1), t = flatten(target, 1);
  const Tensor both = sum(p * t, {1}), either = sum(p, {1}) + sum(t, {1});
  return reduced(1.0 - (both * 2.0 + options.smooth) / (either + options.smooth), options.reduction, kWho);
}

}  // namespace ingot
