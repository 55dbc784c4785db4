#pragma once

#include <cstdint>

#include "ingot/tensor.h"

namespace ingot::cli {

/// How far `b` is from `a`, added up over pairs of tensors of one shape.
class Difference {
 public:
  void add(const Tensor& a, const Tensor& b);

  double max_abs() const { return max_abs_; }
  /// sqrt(sum (a-b)^2 / sum a^2); 0 where both are 0 everywhere, infinite where a value is not finite in one alone.
  double rel_rms() const;
  int64_t count() const { return count_; }

 private:
  double squares_ = 0, reference_ = 0, max_abs_ = 0;
  int64_t count_ = 0;
};

/// How many rows of two [N,classes] have their largest element at the same place.
int64_t agreeing_rows(const Tensor& a, const Tensor& b);

}  // namespace ingot::cli
