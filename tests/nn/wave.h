#pragma once

#include <cmath>

#include "ingot/tensor.h"

namespace ingot {

/// 2 sin(1.3 * frequency * i + phase) at row-major position i: inputs that scripts in other languages can make, too.
inline Tensor wave(const Shape& shape, double frequency = 1, double phase = 0, DType dtype = DType::f64) {
  std::vector<double> values;
  for (int64_t i = 0; i < numel(shape).value(); ++i)
    values.push_back(2 * std::sin(1.3 * frequency * static_cast<double>(i) + phase));
  if (dtype == DType::f64) return from_vector(values, shape);
  return from_vector(std::vector<float>(values.begin(), values.end()), shape);
}

}  // namespace ingot
