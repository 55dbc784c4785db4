#pragma once

#include <string>

#include "ingot/module.h"
#include "ingot/ops.h"

// Pools, by the functions of ops.h. Adaptive pools with output 1 are global ones.
namespace ingot {

class MaxPool1d : public ModuleOf<MaxPool1d> {
 public:
  explicit MaxPool1d(const Pool1dOptions& pool) : options(pool) {}
  Tensor forward(const Tensor& x) const { return max_pool1d(x, options); }
  std::string extra_repr() const override;
  Pool1dOptions options;
};
class MaxPool2d : public ModuleOf<MaxPool2d> {
 public:
  explicit MaxPool2d(const PoolOptions& pool) : options(pool) {}
  Tensor forward(const Tensor& x) const { return max_pool2d(x, options); }
  std::string extra_repr() const override;
  PoolOptions options;
};
class MaxPool3d : public ModuleOf<MaxPool3d> {
 public:
  explicit MaxPool3d(const Pool3dOptions& pool) : options(pool) {}
  Tensor forward(const Tensor& x) const { return max_pool3d(x, options); }
  std::string extra_repr() const override;
  Pool3dOptions options;
};

class AvgPool1d : public ModuleOf<AvgPool1d> {
 public:
  explicit AvgPool1d(const Pool1dOptions& pool) : options(pool) {}
  Tensor forward(const Tensor& x) const { return avg_pool1d(x, options); }
  std::string extra_repr() const override;
  Pool1dOptions options;
};
class AvgPool2d : public ModuleOf<AvgPool2d> {
 public:
  explicit AvgPool2d(const PoolOptions& pool) : options(pool) {}
  Tensor forward(const Tensor& x) const { return avg_pool2d(x, options); }
  std::string extra_repr() const override;
  PoolOptions options;
};
class AvgPool3d : public ModuleOf<AvgPool3d> {
 public:
  explicit AvgPool3d(const Pool3dOptions& pool) : options(pool) {}
  Tensor forward(const Tensor& x) const { return avg_pool3d(x, options); }
  std::string extra_repr() const override;
  Pool3dOptions options;
};

class LPPool1d : public ModuleOf<LPPool1d> {
 public:
  LPPool1d(double norm, const Pool1dOptions& pool) : norm_type(norm), options(pool) {}
  Tensor forward(const Tensor& x) const { return lp_pool1d(x, norm_type, options); }
  std::string extra_repr() const override;
  double norm_type;
  Pool1dOptions options;
};
class LPPool2d : public ModuleOf<LPPool2d> {
 public:
  LPPool2d(double norm, const PoolOptions& pool) : norm_type(norm), options(pool) {}
  Tensor forward(const Tensor& x) const { return lp_pool2d(x, norm_type, options); }
  std::string extra_repr() const override;
  double norm_type;
  PoolOptions options;
};

class AdaptiveAvgPool1d : public ModuleOf<AdaptiveAvgPool1d> {
 public:
  explicit AdaptiveAvgPool1d(int64_t output) : output_size(output) {}
  Tensor forward(const Tensor& x) const { return adaptive_avg_pool1d(x, output_size); }
  std::string extra_repr() const override;
  int64_t output_size;
};
class AdaptiveAvgPool2d : public ModuleOf<AdaptiveAvgPool2d> {
 public:
  explicit AdaptiveAvgPool2d(Pair output) : output_size(output) {}
  Tensor forward(const Tensor& x) const { return adaptive_avg_pool2d(x, output_size); }
  std::string extra_repr() const override;
  Pair output_size;
};
class AdaptiveAvgPool3d : public ModuleOf<AdaptiveAvgPool3d> {
 public:
  explicit AdaptiveAvgPool3d(Triple output) : output_size(output) {}
  Tensor forward(const Tensor& x) const { return adaptive_avg_pool3d(x, output_size); }
  std::string extra_repr() const override;
  Triple output_size;
};

class AdaptiveMaxPool1d : public ModuleOf<AdaptiveMaxPool1d> {
 public:
  explicit AdaptiveMaxPool1d(int64_t output) : output_size(output) {}
  Tensor forward(const Tensor& x) const { return adaptive_max_pool1d(x, output_size); }
  std::string extra_repr() const override;
  int64_t output_size;
};
class AdaptiveMaxPool2d : public ModuleOf<AdaptiveMaxPool2d> {
 public:
  explicit AdaptiveMaxPool2d(Pair output) : output_size(output) {}
  Tensor forward(const Tensor& x) const { return adaptive_max_pool2d(x, output_size); }
  std::string extra_repr() const override;
  Pair output_size;
};
class AdaptiveMaxPool3d : public ModuleOf<AdaptiveMaxPool3d> {
 public:
  explicit AdaptiveMaxPool3d(Triple output) : output_size(output) {}
  Tensor forward(const Tensor& x) const { return adaptive_max_pool3d(x, output_size); }
  std::string extra_repr() const override;
  Triple output_size;
};

INGOT_INSTANCE class ModuleOf<MaxPool1d>;
INGOT_INSTANCE class ModuleOf<MaxPool2d>;
INGOT_INSTANCE class ModuleOf<MaxPool3d>;
INGOT_INSTANCE class ModuleOf<AvgPool1d>;
INGOT_INSTANCE class ModuleOf<AvgPool2d>;
INGOT_INSTANCE class ModuleOf<AvgPool3d>;
INGOT_INSTANCE class ModuleOf<LPPool1d>;
INGOT_INSTANCE class ModuleOf<LPPool2d>;
INGOT_INSTANCE class ModuleOf<AdaptiveAvgPool1d>;
INGOT_INSTANCE class ModuleOf<AdaptiveAvgPool2d>;
INGOT_INSTANCE class ModuleOf<AdaptiveAvgPool3d>;
INGOT_INSTANCE class ModuleOf<AdaptiveMaxPool1d>;
INGOT_INSTANCE class ModuleOf<AdaptiveMaxPool2d>;
INGOT_INSTANCE class ModuleOf<AdaptiveMaxPool3d>;

}  // namespace ingot
