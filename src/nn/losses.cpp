// Losses of classes and distributions.
#include <limits>

#include "nn/loss_parts.h"
#include "ops/attrs.h"
#include "ops/ops.h"
#include "ops/rules.h"

namespace ingot {
namespace {

// 0 * log 0 = 0, with no NaN in the gradient either: log reads 1 where p is 0.
Tensor p_log_p(const Tensor& p) {
  const Tensor none = scalar(0, p.dtype());
  const Tensor positive = p > 0.0;
  return where(positive, p * log(where(positive, p, scalar(1, p.dtype()))), none);
}

/// Throws Error unless the target [d...] holds class indices for scores [N,C,d...] or [C].
void require_classes(const Tensor& x, const Tensor& target, std::optional<int64_t> ignored, std::string_view who) {
  require(target.dtype() == DType::i64, who, "class indices must be i64, the target is {}", name_of(target.dtype()));
  require(x.rank() >= 1, who, "the scores are a scalar, they must be [N,C,...] or [C]");
  const int64_t dim = x.rank() == 1 ? 0 : 1;
  Shape wanted = x.shape();
  wanted.erase(static_cast<size_t>(dim));
  require(target.shape() == wanted, who, "the target {} must be {} for scores {}", to_string(target.shape()),
          to_string(wanted), to_string(x.shape()));
  if (target.is_abstract()) return;
  const int64_t classes = x.size(dim);
  for (const int64_t t : target.to_vector<int64_t>())
    require((t >= 0 && t < classes) || t == ignored, who, "the target {} is outside [0, {})", t, classes);
}

/// The scores [N,C] of each sample's target, [N].
Tensor of_target(const Tensor& scores, const Tensor& target) {
  return squeeze(gather(scores, 1, unsqueeze(target, 1)), 1);
}

void require_class_weight(const std::optional<Tensor>& weight, const Tensor& x, int64_t dim, std::string_view who) {
  if (!weight) return;
  require(weight->shape() == Shape{x.size(dim)}, who, "the class weights {} must be [{}]", to_string(weight->shape()),
          x.size(dim).str());
}

/// [C] as [1,C,1...] of the scores' rank.
Tensor along_classes(const Tensor& weight, const Tensor& x) {
  Shape shape(static_cast<size_t>(x.rank()), 1);
  shape[x.rank() == 1 ? 0 : 1] = -1;
  return reshape(weight, shape);
}

/// A loss of every element, and what its mean divides by.
struct Elements {
  Tensor loss, denominator;
};

Tensor reduced(const Elements& e, Reduction reduction, std::string_view who) {
  if (reduction == Reduction::mean) return mean_of({sum(e.loss), e.denominator});
  return reduced(e.loss, reduction, who);
}

Elements elements_of(const ClassLoss& loss) { return {loss.loss, detach(sum(loss.weight))}; }

/// f(x, target) for [N,C,d...] and [N,d...]; scores [C] go as a batch of one.
template <class F>
Elements batched(const Tensor& x, const Tensor& target, const F& f) {
  if (x.rank() > 1) return elements_of(f(x, target));
  const ClassLoss one = f(unsqueeze(x, 0), unsqueeze(target, 0));
  return elements_of({squeeze(one.loss, 0), one.weight});
}

Elements nll(const Tensor& log_p, const Tensor& target, const NllOptions& options) {
  require_classes(log_p, target, options.ignore_index, "nll_loss");
  require_class_weight(options.weight, log_p, log_p.rank() == 1 ? 0 : 1, "nll_loss");
  return batched(log_p, target, [&](const Tensor& x, const Tensor& t) {
    return nll_elements(x, t, options.weight, {.ignore_index = options.ignore_index});
  });
}

Elements soft_cross_entropy(const Tensor& log_p, const Tensor& target, const CrossEntropyOptions& options) {
  const int64_t dim = log_p.rank() == 1 ? 0 : 1;
  require(is_floating(target.dtype()), "cross_entropy", "target probabilities must be floating, they are {}",
          name_of(target.dtype()));
  require_class_weight(options.weight, log_p, dim, "cross_entropy");
  const double e = options.label_smoothing;
  const Tensor p = e > 0 ? target * (1 - e) + e / static_cast<double>(log_p.size(dim).value()) : target;
  const Tensor weighted = options.weight ? log_p * along_classes(*options.weight, log_p) : log_p;
  const Tensor loss = -sum(p * weighted, {dim});
  return {loss, size_tensor(loss.numel(), loss.dtype())};
}

Elements cross_entropy_elements(const Tensor& x, const Tensor& target, const CrossEntropyOptions& options) {
  require(options.label_smoothing >= 0 && options.label_smoothing <= 1, "cross_entropy",
          "label_smoothing is {}, it must be between 0 and 1", options.label_smoothing);
  require(x.rank() >= 1, "cross_entropy", "the scores are a scalar, they must be [N,C,...] or [C]");
  if (target.shape() == x.shape()) return soft_cross_entropy(log_softmax(x, x.rank() == 1 ? 0 : 1), target, options);
  return batched(x, target, [&](const Tensor& scores, const Tensor& t) {
    return cross_entropy_elements(scores, t, options.weight, {options.ignore_index, options.label_smoothing});
  });
}

}  // namespace

Tensor mean_of(const LossSum& loss) {
  const DType dtype = loss.sum.dtype();
  const Tensor empty = eq(loss.denominator, 0.0);
  return where(empty, scalar(0, dtype), loss.sum / where(empty, scalar(1, dtype), loss.denominator));
}

Tensor cross_entropy(const Tensor& x, const Tensor& target, const CrossEntropyOptions& options) {
  return reduced(cross_entropy_elements(x, target, options), options.reduction, "cross_entropy");
}

LossSum cross_entropy_sum(const Tensor& x, const Tensor& target, const CrossEntropyOptions& options) {
  const Elements e = cross_entropy_elements(x, target, options);
  return {sum(e.loss), e.denominator};
}

Tensor nll_loss(const Tensor& log_p, const Tensor& target, const NllOptions& options) {
  return reduced(nll(log_p, target, options), options.reduction, "nll_loss");
}

LossSum nll_loss_sum(const Tensor& log_p, const Tensor& target, const NllOptions& options) {
  const Elements e = nll(log_p, target, options);
  return {sum(e.loss), e.denominator};
}

Tensor kl_div(const Tensor& x, const Tensor& target, const KlDivOptions& options) {
  require_same_shape(x, target, "kl_div");
  const Tensor p = options.log_target ? exp(target) : target;
  // Where the target is 0 the input may be -infinity; the product would be NaN.
  const Tensor zero = scalar(0, x.dtype()), positive = p > 0.0;
  const Tensor safe_x = where(positive, x, zero);
  const Tensor loss = options.log_target ? p * (where(positive, target, zero) - safe_x) : p_log_p(p) - p * safe_x;
  if (options.reduction != Reduction::batchmean) return reduced(loss, options.reduction, "kl_div");
  require(x.rank() >= 1, "kl_div", "the reduction batchmean needs a batch, x is a scalar");
  return sum(mean(loss, {0}));
}

Tensor entropy(const Tensor& p, int64_t dim) { return -sum(p_log_p(p), {dim}); }

Tensor multi_margin_loss(const Tensor& x, const Tensor& target, const MultiMarginOptions& options) {
  require(options.p == 1 || options.p == 2, "multi_margin_loss", "p is {}, it must be 1 or 2", options.p);
  require(x.rank() == 2, "multi_margin_loss", "the scores are {}, they must be [N,C]", to_string(x.shape()));
  require_classes(x, target, std::nullopt, "multi_margin_loss");
  require_class_weight(options.weight, x, 1, "multi_margin_loss");
  const Tensor others = 1.0 - one_hot(target, x.size(1), x.dtype());
  const Tensor over = relu(x - unsqueeze(of_target(x, target), 1) + options.margin) * others;
  Tensor loss = mean(options.p == 2 ? square(over) : over, {1});
  if (options.weight) loss = loss * gather(*options.weight, 0, target);
  return reduced(loss, options.reduction, "multi_margin_loss");
}

Tensor crammer_singer_loss(const Tensor& x, const Tensor& target, const HingeOptions& options) {
  constexpr std::string_view kWho = "crammer_singer_loss";
  require(x.rank() == 2, kWho, "the scores are {}, they must be [N,C]", to_string(x.shape()));
  require(x.size(1) != 1, kWho, "there is one class, there must be others");
  require_classes(x, target, std::nullopt, kWho);
  const Tensor is_target = one_hot(target, x.size(1), x.dtype()) > 0.0;
  const Tensor others = where(is_target, scalar(-std::numeric_limits<double>::infinity(), x.dtype()), x);
  const Tensor margin = relu(amax(others, {1}) - of_target(x, target) + 1.0);
  return reduced(options.squared ? square(margin) : margin, options.reduction, kWho);
}

}  // namespace ingot
