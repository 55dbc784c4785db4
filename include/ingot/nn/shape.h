#pragma once

#include <string>

#include "ingot/module.h"
#include "ingot/ops.h"

namespace ingot {

class Flatten : public ModuleOf<Flatten> {
 public:
  explicit Flatten(int64_t start = 1, int64_t end = -1) : start_dim(start), end_dim(end) {}
  Tensor forward(const Tensor& x) const { return flatten(x, start_dim, end_dim); }
  std::string extra_repr() const override;
  int64_t start_dim, end_dim;
};

class Identity : public ModuleOf<Identity> {
 public:
  Tensor forward(const Tensor& x) const { return x; }
};

}  // namespace ingot
