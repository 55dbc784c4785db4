#pragma once

#include "ingot/losses.h"
#include "nn/refuse.h"

namespace ingot {

/// The loss of every element, reduced.
inline Tensor reduced(const Tensor& loss, Reduction reduction, std::string_view who) {
  switch (reduction) {
    case Reduction::none:
      return loss;
    case Reduction::mean:
      return mean(loss);
    case Reduction::sum:
      return sum(loss);
    case Reduction::batchmean:
      break;
  }
  refuse(who, "the reduction batchmean is for kl_div only");
}

inline void require_same_shape(const Tensor& x, const Tensor& target, std::string_view who) {
  require(x.shape() == target.shape(), who, "the target {} must have the shape {} of the input",
          to_string(target.shape()), to_string(x.shape()));
}

/// Throws Error unless every target is +1, -1 or, where that is allowed, 0.
inline void require_signs(const Tensor& target, bool zero_too, std::string_view who) {
  if (target.is_abstract()) return;
  for (const double t : target.to_vector<double>())
    require(t == 1 || t == -1 || (zero_too && t == 0), who, "the target {} is neither +1 nor -1{}", t,
            zero_too ? " (or 0)" : "");
}

}  // namespace ingot
