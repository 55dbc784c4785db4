#pragma once

#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "ingot/module.h"
#include "ingot/ops.h"

// Layers. Their names, defaults and initial values are PyTorch's. Parameters are public members.
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

// ---- Normalisation

struct BatchNormOptions {
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  // none: cumulative average over all batches
  bool affine = true;                    // weight and bias
  bool track_running_stats = true;       // without them eval() uses the batch's statistics too
};

/// y = (x - mean) / sqrt(var + eps) * weight + bias per channel, Ioffe & Szegedy 2015. In training with the batch's
/// statistics, which move the running ones: running = (1 - momentum) * running + momentum * batch, where the running
/// variance takes the batch's variance with Bessel's correction. In eval() with the running statistics.
class BatchNormBase : public Module {
 public:
  Tensor forward(const Tensor& x);
  /// relu(forward(x) + residual) in one pass over memory.
  Tensor forward_fused(const Tensor& x, const std::optional<Tensor>& residual, bool relu);
  bool uses_batch_statistics() const { return is_training() || !running_mean; }
  void reset_parameters(RandomKey key) override;
  /// Mean 0, variance 1, no batches.
  void reset_running_stats();
  bool is_a(std::string_view type) const override { return type == "_BatchNorm" || Module::is_a(type); }
  std::string extra_repr() const override;

  int64_t num_features;
  BatchNormOptions options;
  std::optional<Tensor> weight, bias;
  std::optional<Tensor> running_mean, running_var;
  std::optional<Tensor> num_batches_tracked;  // [] i64

 protected:
  explicit BatchNormBase(int64_t num_features, const BatchNormOptions& options = {});
  /// Throws Error where x has not the rank that the layer is for.
  virtual void check_input(const Tensor& x) const = 0;
  /// Moves the running statistics by a batch of `count` values a channel, given its mean and biased variance.
  void update_running_stats(const Tensor& mean, const Tensor& var, int64_t count);
};

/// x [N,C] or [N,C,L].
class BatchNorm1d : public ModuleOf<BatchNorm1d, BatchNormBase> {
 public:
  explicit BatchNorm1d(int64_t num_features, const BatchNormOptions& options = {});

 protected:
  void check_input(const Tensor& x) const override;
};

/// x [N,C,H,W].
class BatchNorm2d : public ModuleOf<BatchNorm2d, BatchNormBase> {
 public:
  explicit BatchNorm2d(int64_t num_features, const BatchNormOptions& options = {});

 protected:
  void check_input(const Tensor& x) const override;
};

// ---- Pooling

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

// ---- Activations, by the functions of ops.h

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

/// activation(norm(x) + residual), in one pass over memory where the norm trains and nobody looks in between: no hook
/// stands on either module, and no tracer runs.
Tensor norm_relu(BatchNormBase& norm, ReLU& activation, const Tensor& x, const std::optional<Tensor>& residual = {});

// ---- Dropout

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
  friend class Dropout;
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

// ---- Shapes

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

// ---- Containers: they hold their modules

template <class M>
concept ModuleType = std::is_base_of_v<Module, M>;

/// What the containers share. Numbers from the end are negative, as in Python.
class Container : public Module {
 public:
  size_t size() const { return child_count(); }
  bool empty() const { return size() == 0; }
  Module& operator[](int64_t index) const;
  /// The module, which must be an M. Throws Error that says what it is.
  template <ModuleType M>
  M& get(int64_t index) const {
    M* module = dynamic_cast<M*>(&(*this)[index]);
    if (module == nullptr) refuse_type(index, detail::type_name_of<M>());
    return *module;
  }

 protected:
  Container() = default;
  [[noreturn]] void refuse_type(int64_t index, std::string_view wanted) const;
};

/// Runs its modules one after another; they may take and return several tensors, the last one returns one.
/// Modules are named "0", "1", ... or as given to add().
class Sequential : public ModuleOf<Sequential, Container> {
 public:
  Sequential() = default;
  template <ModuleType... M>
    requires(sizeof...(M) > 1 || (!std::is_same_v<M, Sequential> && ...))
  explicit Sequential(M... modules) {
    (append(std::move(modules)), ...);
  }
  /// Adds a module and returns the one that is held.
  template <ModuleType M>
  M& append(M module) {
    return add(std::to_string(size()), std::move(module));
  }
  template <ModuleType M>
  M& add(const std::string& name, M module) {
    return static_cast<M&>(own(name, std::make_unique<M>(std::move(module))));
  }
  Module& append(std::unique_ptr<Module> module) { return own(std::to_string(size()), std::move(module)); }
  Module& add(const std::string& name, std::unique_ptr<Module> module) { return own(name, std::move(module)); }

  Tensor forward(const Tensor& x);
};

/// Modules by number; it is not called itself, its modules are.
class ModuleList : public ModuleOf<ModuleList, Container> {
 public:
  template <ModuleType M>
  M& append(M module) {
    return static_cast<M&>(append(std::make_unique<M>(std::move(module))));
  }
  Module& append(std::unique_ptr<Module> module) { return own(std::to_string(size()), std::move(module)); }
  std::string str() const override;

 protected:
  std::string child_scope(const std::string& name) const override;
  void set_scope(std::string scope) override;
};

/// Modules by name, in the order in which they were added; it is not called itself, its modules are.
class ModuleDict : public ModuleOf<ModuleDict, Container> {
 public:
  template <ModuleType M>
  M& add(const std::string& name, M module) {
    return static_cast<M&>(own(name, std::make_unique<M>(std::move(module))));
  }
  Module& add(const std::string& name, std::unique_ptr<Module> module) { return own(name, std::move(module)); }
  bool contains(std::string_view name) const;
  std::vector<std::string> keys() const;
  /// Throws Error that names the nearest key.
  Module& at(std::string_view name) const;

 protected:
  std::string child_scope(const std::string& name) const override;
  void set_scope(std::string scope) override;
};

}  // namespace ingot
