#pragma once

#include <string>

#include "ingot/module.h"
#include "ingot/ops.h"

// Activations, by the functions of ops.h.
namespace ingot {

class ReLU : public ModuleOf<ReLU> {
 public:
  Tensor forward(const Tensor& x) const { return relu(x); }
};
class ReLU6 : public ModuleOf<ReLU6> {
 public:
  Tensor forward(const Tensor& x) const { return relu6(x); }
};
class LeakyReLU : public ModuleOf<LeakyReLU> {
 public:
  explicit LeakyReLU(double slope = 0.01) : negative_slope(slope) {}
  Tensor forward(const Tensor& x) const { return leaky_relu(x, negative_slope); }
  std::string extra_repr() const override;
  double negative_slope;
};
class ELU : public ModuleOf<ELU> {
 public:
  explicit ELU(double scale = 1) : alpha(scale) {}
  Tensor forward(const Tensor& x) const { return elu(x, alpha); }
  std::string extra_repr() const override;
  double alpha;
};
class Sigmoid : public ModuleOf<Sigmoid> {
 public:
  Tensor forward(const Tensor& x) const { return sigmoid(x); }
};
class Tanh : public ModuleOf<Tanh> {
 public:
  Tensor forward(const Tensor& x) const { return tanh(x); }
};
class SiLU : public ModuleOf<SiLU> {
 public:
  Tensor forward(const Tensor& x) const { return silu(x); }
};
class GELU : public ModuleOf<GELU> {
 public:
  Tensor forward(const Tensor& x) const { return gelu(x); }
};
class Hardswish : public ModuleOf<Hardswish> {
 public:
  Tensor forward(const Tensor& x) const { return hardswish(x); }
};
class Hardsigmoid : public ModuleOf<Hardsigmoid> {
 public:
  Tensor forward(const Tensor& x) const { return hardsigmoid(x); }
};
class Mish : public ModuleOf<Mish> {
 public:
  Tensor forward(const Tensor& x) const { return mish(x); }
};
class Softmax : public ModuleOf<Softmax> {
 public:
  explicit Softmax(int64_t along) : dim(along) {}
  Tensor forward(const Tensor& x) const { return softmax(x, dim); }
  std::string extra_repr() const override;
  int64_t dim;
};
class LogSoftmax : public ModuleOf<LogSoftmax> {
 public:
  explicit LogSoftmax(int64_t along) : dim(along) {}
  Tensor forward(const Tensor& x) const { return log_softmax(x, dim); }
  std::string extra_repr() const override;
  int64_t dim;
};

}  // namespace ingot
