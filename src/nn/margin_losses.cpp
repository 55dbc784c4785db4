// Losses by margins between scores, or between distances.
#include <cmath>

#include "nn/loss_parts.h"

namespace ingot {
namespace {

/// A loss that is one function where the target is 1 and another where it is -1.
Tensor by_sign(const Tensor& target, const Tensor& positive, const Tensor& negative, std::string_view who) {
  require_signs(target, false, who);
  return where(target > 0.0, positive, negative);
}

/// Of rows, along the last dimension.
Tensor distance(const Tensor& a, const Tensor& b, const TripletMarginOptions& options) {
  const Tensor off = a - b + options.eps;
  if (options.p == 2) return sqrt(sum(square(off), {-1}));
  if (options.p == 1) return sum(abs(off), {-1});
  if (std::isinf(options.p)) return amax(abs(off), {-1});
  return pow(sum(pow(abs(off), options.p), {-1}), 1 / options.p);
}

/// Where a sample lists its classes, up to the first -1.
struct Listed {
  std::vector<int64_t> index;            // [N,C], 0 after the end
  std::vector<double> counts, is_class;  // [N,C]: before the end; whether class i is listed

  Listed(const Tensor& target, int64_t classes, std::string_view who)
      : index(target.to_vector<int64_t>()), counts(index.size()), is_class(index.size()) {
    for (size_t row = 0; row < index.size(); row += static_cast<size_t>(classes)) {
      bool listed = true;
      for (size_t i = row; i < row + static_cast<size_t>(classes); ++i) {
        const int64_t t = index[i];
        require(t >= -1 && t < classes, who, "the target {} is outside [-1, {})", t, classes);
        listed = listed && t >= 0;
        counts[i] = listed ? 1 : 0;
        index[i] = listed ? t : 0;
        if (listed) is_class[row + static_cast<size_t>(t)] = 1;
      }
    }
  }
};

}  // namespace

Tensor hinge_loss(const Tensor& x, const Tensor& target, const HingeOptions& options) {
  require_same_shape(x, target, "hinge_loss");
  require_signs(target, true, "hinge_loss");
  const Tensor y = where(target > 0.0, scalar(1, x.dtype()), scalar(-1, x.dtype()));
  const Tensor margin = relu(1.0 - y * x);
  return reduced(options.squared ? square(margin) : margin, options.reduction, "hinge_loss");
}

Tensor multilabel_margin_loss(const Tensor& x, const Tensor& target, Reduction reduction) {
  constexpr std::string_view kWho = "multilabel_margin_loss";
  require(x.rank() == 1 || x.rank() == 2, kWho, "the scores are {}, they must be [N,C] or [C]", to_string(x.shape()));
  require_same_shape(x, target, kWho);
  require(target.dtype() == DType::i64, kWho, "class indices must be i64, the target is {}", name_of(target.dtype()));
  const int64_t classes = x.size(-1);
  const Shape rows{x.rank() == 2 ? x.size(0) : Dim(1), classes};
  const Listed listed(target, classes, kWho);
  const Tensor scores = reshape(x, rows);
  const Tensor wanted = unsqueeze(gather(scores, 1, from_vector(listed.index, rows)), 2);
  const Tensor counts = unsqueeze(cast(from_vector(listed.counts, rows), x.dtype()), 2);
  const Tensor others = 1.0 - unsqueeze(cast(from_vector(listed.is_class, rows), x.dtype()), 1);
  const Tensor over = relu(1.0 - wanted + unsqueeze(scores, 1)) * counts * others;  // [N,C,C]
  const Tensor loss = sum(over, {1, 2}) / static_cast<double>(classes);
  return reduced(x.rank() == 1 ? squeeze(loss, 0) : loss, reduction, kWho);
}

Tensor hinge_embedding_loss(const Tensor& x, const Tensor& target, const MarginOptions& options) {
  require_same_shape(x, target, "hinge_embedding_loss");
  return reduced(by_sign(target, x, relu(options.margin - x), "hinge_embedding_loss"), options.reduction,
                 "hinge_embedding_loss");
}

Tensor margin_ranking_loss(const Tensor& a, const Tensor& b, const Tensor& target, const MarginOptions& options) {
  require_signs(target, false, "margin_ranking_loss");
  return reduced(relu(options.margin - cast(target, a.dtype()) * (a - b)), options.reduction, "margin_ranking_loss");
}

Tensor cosine_embedding_loss(const Tensor& a, const Tensor& b, const Tensor& target, const MarginOptions& options) {
  constexpr std::string_view kWho = "cosine_embedding_loss";
  constexpr double kEps = 1e-12;
  require(a.shape() == b.shape() && (a.rank() == 1 || a.rank() == 2), kWho,
          "the inputs are {} and {}, they must both be [N,D] or [D]", to_string(a.shape()), to_string(b.shape()));
  Shape rows = a.shape();
  rows.erase(rows.size() - 1);
  require(target.shape() == rows, kWho, "the target {} must be {} for inputs {}", to_string(target.shape()),
          to_string(rows), to_string(a.shape()));
  const Tensor lengths = sqrt((sum(square(a), {-1}) + kEps) * (sum(square(b), {-1}) + kEps));
  const Tensor cosine = sum(a * b, {-1}) / lengths;
  return reduced(by_sign(target, 1.0 - cosine, relu(cosine - options.margin), kWho), options.reduction, kWho);
}

Tensor soft_margin_loss(const Tensor& x, const Tensor& target, Reduction reduction) {
  require_same_shape(x, target, "soft_margin_loss");
  require_signs(target, false, "soft_margin_loss");
  return reduced(softplus(-(cast(target, x.dtype()) * x)), reduction, "soft_margin_loss");
}

Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                           const TripletMarginOptions& options) {
  constexpr std::string_view kWho = "triplet_margin_loss";
  require(anchor.shape() == positive.shape() && anchor.shape() == negative.shape() && anchor.rank() >= 1, kWho,
          "anchor, positive and negative are {}, {} and {}, they must have one shape [N,D] or [D]",
          to_string(anchor.shape()), to_string(positive.shape()), to_string(negative.shape()));
  require(options.p > 0, kWho, "p is {}, it must be positive", options.p);
  Tensor off = distance(anchor, negative, options);
  if (options.swap) off = minimum(off, distance(positive, negative, options));
  return reduced(relu(distance(anchor, positive, options) - off + options.margin), options.reduction, kWho);
}

}  // namespace ingot
