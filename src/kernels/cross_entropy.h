#pragma once

#include "base/array.h"

namespace ingot::kernels {

// Over dimension 1, the classes, of x [N,C,d...]: f32, f64, bf16 (computed in f32), any strides. target (i64), loss,
// weight, max, log_sum and g are [N,d...]; class_weight [C] of x's dtype or absent; max and log_sum f64 for f64, else
// f32. Bits do not depend on the thread count.

struct CrossEntropy {
  int64_t ignore_index = -100;
  double smoothing = 0;
};

/// max of x and log sum e^(x - max) over the classes, with which l[c] = log_sum - (x[c] - max) is exact for scores of
/// any size; then, for the target t,
///   weight = class_weight[t], or 1 without
///   loss   = (1 - smoothing) weight l[t] + smoothing / C sum_c class_weight[c] l[c]
/// and all are 0 where t is ignore_index. max and log_sum may be absent. Throws Error where another t is no class.
void cross_entropy(const Array& x, const Array& target, const Array& class_weight, const CrossEntropy& options,
                   const Array& loss, const Array& weight, const Array& max, const Array& log_sum);

/// dx = g dloss/dx, from what cross_entropy gave.
void cross_entropy_grad(const Array& x, const Array& target, const Array& class_weight, const Array& max,
                        const Array& log_sum, const Array& g, const CrossEntropy& options, const Array& dx);

}  // namespace ingot::kernels
