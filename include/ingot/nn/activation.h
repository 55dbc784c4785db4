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
/// x Phi(x), by erf or approximately by tanh. Hendrycks & Gimpel 2016.
class GELU : public ModuleOf<GELU> {
 public:
  enum class Approximate : uint8_t { none, tanh };
  explicit GELU(Approximate how = Approximate::none) : approximate(how) {}
  Tensor forward(const Tensor& x) const { return approximate == Approximate::none ? gelu(x) : gelu_tanh(x); }
  std::string extra_repr() const override;
  Approximate approximate;
};
class SELU : public ModuleOf<SELU> {
 public:
  Tensor forward(const Tensor& x) const { return selu(x); }
};
/// log(1 + e^(beta x)) / beta, and x itself where beta x exceeds the threshold.
class Softplus : public ModuleOf<Softplus> {
 public:
  explicit Softplus(double scale = 1, double limit = 20) : beta(scale), threshold(limit) {}
  Tensor forward(const Tensor& x) const;
  std::string extra_repr() const override;
  double beta, threshold;
};
/// prelu (ops.h) with its own slopes, `weight` [1] or one for each channel.
class PReLU : public ModuleOf<PReLU> {
 public:
  explicit PReLU(int64_t num_parameters = 1, double init = 0.25);
  Tensor forward(const Tensor& x) const { return prelu(x, weight); }
  void reset_parameters(RandomKey key) override;
  std::string extra_repr() const override;
  int64_t num_parameters;
  double init;
  Tensor weight;
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

INGOT_INSTANCE class ModuleOf<ReLU>;
INGOT_INSTANCE class ModuleOf<ReLU6>;
INGOT_INSTANCE class ModuleOf<LeakyReLU>;
INGOT_INSTANCE class ModuleOf<ELU>;
INGOT_INSTANCE class ModuleOf<Sigmoid>;
INGOT_INSTANCE class ModuleOf<Tanh>;
INGOT_INSTANCE class ModuleOf<SiLU>;
INGOT_INSTANCE class ModuleOf<GELU>;
INGOT_INSTANCE class ModuleOf<SELU>;
INGOT_INSTANCE class ModuleOf<Softplus>;
INGOT_INSTANCE class ModuleOf<PReLU>;
INGOT_INSTANCE class ModuleOf<Hardswish>;
INGOT_INSTANCE class ModuleOf<Hardsigmoid>;
INGOT_INSTANCE class ModuleOf<Mish>;
INGOT_INSTANCE class ModuleOf<Softmax>;
INGOT_INSTANCE class ModuleOf<LogSoftmax>;

}  // namespace ingot
