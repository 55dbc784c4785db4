#pragma once

#include <memory>
#include <string>

#include "ingot/module.h"
#include "ingot/ops.h"

namespace ingot {

/// Where training stands, for the masks of dropout: a mask is a function of the seed, the step, the layer's path, how
/// often that layer ran before in the step, and the number of the sample. The runner sets one around each forward, so
/// that masks do not depend on the number of threads, ranks or accumulated parts. Innermost on this thread counts.
class DropoutScope {
 public:
  DropoutScope(uint64_t seed, uint64_t step, uint64_t first_sample = 0);
  ~DropoutScope();
  DropoutScope(const DropoutScope&) = delete;
  DropoutScope& operator=(const DropoutScope&) = delete;

 private:
  friend struct DropoutKey;
  struct State;
  std::unique_ptr<State> state_;
};

/// Zeroes elements with probability p while training and scales the rest by 1 / (1 - p). Srivastava et al. 2014.
/// Outside a DropoutScope its key comes from Generator::current(). Throws Error unless 0 <= p <= 1.
class Dropout : public ModuleOf<Dropout> {
 public:
  explicit Dropout(double p = 0.5);
  Tensor forward(const Tensor& x) const;
  std::string extra_repr() const override;
  double p;
};

/// The same for whole channels of x [N,C,...]. Tompson et al. 2015.
class Dropout2d : public ModuleOf<Dropout2d> {
 public:
  explicit Dropout2d(double p = 0.5);
  Tensor forward(const Tensor& x) const;
  std::string extra_repr() const override;
  double p;
};

/// The same for whole samples: stochastic depth, at the end of a residual branch. Huang et al. 2016.
class DropPath : public ModuleOf<DropPath> {
 public:
  explicit DropPath(double p = 0);
  Tensor forward(const Tensor& x) const;
  std::string extra_repr() const override;
  double p;
};

INGOT_INSTANCE class ModuleOf<Dropout>;
INGOT_INSTANCE class ModuleOf<Dropout2d>;
INGOT_INSTANCE class ModuleOf<DropPath>;

}  // namespace ingot
