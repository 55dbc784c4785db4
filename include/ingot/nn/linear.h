#pragma once

#include <optional>
#include <string>

#include "ingot/module.h"
#include "ingot/ops.h"

namespace ingot {

struct LinearOptions {
  bool bias = true;
};

/// y = x weight^T + bias over the last dimension; weight [out, in] and bias [out] from U(+-1/sqrt(in)).
class Linear : public ModuleOf<Linear> {
 public:
  Linear(int64_t in_features, int64_t out_features, const LinearOptions& options = {});
  Tensor forward(const Tensor& x) const { return linear(x, weight, bias); }
  void reset_parameters(RandomKey key) override;
  std::string extra_repr() const override;

  int64_t in_features, out_features;
  Tensor weight;
  std::optional<Tensor> bias;
};

INGOT_INSTANCE class ModuleOf<Linear>;

}  // namespace ingot
