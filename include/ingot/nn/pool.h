#pragma once

#include <string>

#include "ingot/module.h"
#include "ingot/ops.h"

namespace ingot {

class MaxPool2d : public ModuleOf<MaxPool2d> {
 public:
  explicit MaxPool2d(const PoolOptions& pool) : options(pool) {}
  Tensor forward(const Tensor& x) const { return max_pool2d(x, options); }
  std::string extra_repr() const override;
  PoolOptions options;
};

class AvgPool2d : public ModuleOf<AvgPool2d> {
 public:
  explicit AvgPool2d(const PoolOptions& pool) : options(pool) {}
  Tensor forward(const Tensor& x) const { return avg_pool2d(x, options); }
  std::string extra_repr() const override;
  PoolOptions options;
};

class AdaptiveAvgPool2d : public ModuleOf<AdaptiveAvgPool2d> {
 public:
  explicit AdaptiveAvgPool2d(Pair output) : output_size(output) {}
  Tensor forward(const Tensor& x) const { return adaptive_avg_pool2d(x, output_size); }
  std::string extra_repr() const override;
  Pair output_size;
};

}  // namespace ingot
