#pragma once

#include <optional>
#include <string>

#include "ingot/module.h"
#include "ingot/ops.h"

namespace ingot {

struct ConvOptions {
  Pair stride{1};
  Pads padding{0};
  Pair dilation{1};
  int64_t groups = 1;
  bool bias = true;
};

/// conv2d (ops.h) with its own weight [out, in/groups, kh, kw] and bias [out], both from U(+-1/sqrt(in/groups*kh*kw)).
/// Throws Error unless `groups` divides both channel counts and all of them are positive.
class Conv2d : public ModuleOf<Conv2d> {
 public:
  Conv2d(int64_t in_channels, int64_t out_channels, Pair kernel_size, const ConvOptions& options = {});
  Tensor forward(const Tensor& x) const;
  void reset_parameters(RandomKey key) override;
  bool is_a(std::string_view type) const override { return type == "_ConvNd" || ModuleOf::is_a(type); }
  std::string extra_repr() const override;

  int64_t in_channels, out_channels;
  Pair kernel_size;
  ConvOptions options;
  Tensor weight;
  std::optional<Tensor> bias;
};

}  // namespace ingot
