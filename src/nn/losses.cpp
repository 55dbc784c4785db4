// Losses of classes and distributions.
#include <limits>

#include "nn/loss_parts.h"
#include "ops/rules.h"

namespace ingot {
namespace {

// 0 * log 0 = 0, with no NaN in the gradient either: log reads 1 where p is 0.
Tensor p_log_p(const Tensor& p) {
  const Tensor none = scalar(0, p.dtype());
  const Tensor positive = p > 0.0;
  return where(positive, p * log(where(positive, p, scalar(1, p.dtype()))), none);
}

/// Class indices next to scores [N,C,d...] or [C].
struct Classes {
  int64_t dim = 1;
  Tensor index;   // of the scores' rank, with size 1 for the classes; 0 where ignored
  Tensor counts;  // bool, of the target's shape: not ignored

  Classes(const Tensor& x, const Tensor& target, std::optional<int64_t> ignored, std::string_view who)
      : dim(x.rank() == 1 ? 0 : 1) {
    require(target.dtype() == DType::i64, who, "class indices must be i64, the target is {}", name_of(target.dtype()));
    check_shapes(x, target, who);
    check_indices(x, target, ignored, who);
    counts = ignored ? ne(target, static_cast<double>(*ignored)) : target >= 0.0;
    index = unsqueeze(target * cast(counts, DType::i64), dim);
  }

  /// [d...] -> the entry of each target's class.
  Tensor of(const Tensor& scores) const { return squeeze(gather(scores, dim, index), dim); }
  /// The weight of each target's class, 0 where ignored; of the target's shape.
  Tensor weights(const std::optional<Tensor>& weight, DType dtype) const {
    const Tensor mask = cast(counts, dtype);
    if (!weight) return mask;
    const Tensor flat = gather(*weight, 0, reshape(index, {-1}));
    return reshape(flat, counts.shape()) * mask;
  }

 private:
  void check_shapes(const Tensor& x, const Tensor& target, std::string_view who) const {
    Shape wanted = x.shape();
    require(x.rank() >= 1, who, "the scores are a scalar, they must be [N,C,...] or [C]");
    wanted.erase(static_cast<size_t>(dim));
    require(target.shape() == wanted, who, "the target {} must be {} for scores {}", to_string(target.shape()),
            to_string(wanted), to_string(x.shape()));
  }
  void check_indices(const Tensor& x, const Tensor& target, std::optional<int64_t> ignored,
                     std::string_view who) const {
    if (target.is_abstract()) return;
    const int64_t classes = x.size(dim);
    for (const int64_t t : target.to_vector<int64_t>())
      require((t >= 0 && t < classes) || t == ignored, who, "the target {} is outside [0, {})", t, classes);
  }
};

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

Elements nll(const Tensor& log_p, const Tensor& target, const std::optional<Tensor>& weight, int64_t ignore_index,
             double smoothing, std::string_view who) {
  const Classes classes(log_p, target, ignore_index, who);
  require_class_weight(weight, log_p, classes.dim, who);
  const Tensor weights = classes.weights(weight, log_p.dtype());
  const Tensor denominator = detach(sum(weights));
  Tensor loss = where(classes.counts, -(weights * classes.of(log_p)), scalar(0, log_p.dtype()));
  if (smoothing > 0) {
    const Tensor weighted = weight ? log_p * along_classes(*weight, log_p) : log_p;
    const Tensor smooth = where(classes.counts, -sum(weighted, {classes.dim}), scalar(0, log_p.dtype()));
    loss = loss * (1 - smoothing) + smooth * (smoothing / static_cast<double>(log_p.size(classes.dim).value()));
  }
  return {loss, denominator};
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
  const Tensor log_p = log_softmax(x, x.rank() == 1 ? 0 : 1);
  if (target.shape() == x.shape()) return soft_cross_entropy(log_p, target, options);
  return nll(log_p, target, options.weight, options.ignore_index, options.label_smoothing, "cross_entropy");
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
  return reduced(nll(log_p, target, options.weight, options.ignore_index, 0, "nll_loss"), options.reduction,
                 "nll_loss");
}

LossSum nll_loss_sum(const Tensor& log_p, const Tensor& target, const NllOptions& options) {
  const Elements e = nll(log_p, target, options.weight, options.ignore_index, 0, "nll_loss");
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
  const Classes classes(x, target, std::nullopt, "multi_margin_loss");
  require_class_weight(options.weight, x, 1, "multi_margin_loss");
  const Tensor others = 1.0 - one_hot(target, x.size(1), x.dtype());
  const Tensor over = relu(x - gather(x, 1, classes.index) + options.margin) * others;
  Tensor loss = mean(options.p == 2 ? square(over) : over, {1});
  if (options.weight) loss = loss * classes.weights(options.weight, x.dtype());
  return reduced(loss, options.reduction, "multi_margin_loss");
}

Tensor crammer_singer_loss(const Tensor& x, const Tensor& target, const HingeOptions& options) {
  constexpr std::string_view kWho = "crammer_singer_loss";
  require(x.rank() == 2, kWho, "the scores are {}, they must be [N,C]", to_string(x.shape()));
  require(x.size(1) != 1, kWho, "there is one class, there must be others");
  const Classes classes(x, target, std::nullopt, kWho);
  const Tensor is_target = one_hot(target, x.size(1), x.dtype()) > 0.0;
  const Tensor others = where(is_target, scalar(-std::numeric_limits<double>::infinity(), x.dtype()), x);
  const Tensor margin = relu(amax(others, {1}) - classes.of(x) + 1.0);
  return reduced(options.squared ? square(margin) : margin, options.reduction, kWho);
}

}  // namespace ingot
