#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ingot/module.h"

// Initial values, written in place. A value is a function of the key and its row-major position alone; without a key
// one is taken from Generator::current(). Facts follow torch/nn/init.py.
namespace ingot {

using MaybeKey = std::optional<RandomKey>;

/// The gain that keeps the variance through a nonlinearity: linear, conv, sigmoid 1; tanh 5/3; relu sqrt(2);
/// leaky_relu sqrt(2 / (1 + slope^2)) with `param` its slope (0.01 where none); selu 3/4.
/// Throws Error for another name, with the nearest one.
double calculate_gain(std::string_view nonlinearity, std::optional<double> param = {});

/// in = size(1) * receptive field, out = size(0) * receptive field, where the field is the product of the sizes from 2.
struct Fan {
  int64_t in = 0, out = 0;
};
/// Throws Error below two dimensions.
Fan calculate_fan(const Tensor& x);

Tensor uniform_(Tensor x, double low = 0, double high = 1, MaybeKey key = {});
Tensor normal_(Tensor x, double mean = 0, double std = 1, MaybeKey key = {});
Tensor constant_(Tensor x, double value);
Tensor zeros_(Tensor x);
Tensor ones_(Tensor x);

struct TruncNormalOptions {
  double mean = 0, std = 1;
  double a = -2, b = 2;  // the bounds themselves, not in standard deviations: PyTorch's too
};
/// Normal values that lie in [a, b], by the inverse of the distribution function: exact however far the bounds are from
/// the mean, up to 37 standard deviations. Throws Error beyond, and unless a < b and std > 0.
Tensor trunc_normal_(Tensor x, const TruncNormalOptions& options = {}, MaybeKey key = {});

/// U(+-gain * sqrt(6 / (in + out))), N(0, gain * sqrt(2 / (in + out))). Glorot & Bengio 2010.
Tensor xavier_uniform_(Tensor x, double gain = 1, MaybeKey key = {});
Tensor xavier_normal_(Tensor x, double gain = 1, MaybeKey key = {});

enum class FanMode : uint8_t { fan_in, fan_out };
struct KaimingOptions {
  double a = 0;  // the slope, for leaky_relu
  FanMode mode = FanMode::fan_in;
  std::string_view nonlinearity = "leaky_relu";
};
/// U(+-gain * sqrt(3 / fan)), N(0, gain / sqrt(fan)). He et al. 2015.
Tensor kaiming_uniform_(Tensor x, const KaimingOptions& options = {}, MaybeKey key = {});
Tensor kaiming_normal_(Tensor x, const KaimingOptions& options = {}, MaybeKey key = {});
/// Caffe2's XavierFill: U(+-sqrt(3 / fan_in)).
Tensor caffe2_xavier_(Tensor x, MaybeKey key = {});

/// The identity on the first two dimensions' places; 2-D only.
Tensor eye_(Tensor x);
/// A convolution's weight [O,C/groups,...] that hands its inputs on: of each group, output i is input i, as far as both
/// go. 3 to 5 dimensions; Throws Error unless `groups` divides O.
Tensor dirac_(Tensor x, int64_t groups = 1);
/// [size(0), all others] with orthonormal columns, or rows where there are fewer rows, times gain: Q of a normal
/// matrix's QR decomposition with a positive diagonal of R, so that Q is uniform among all. Saxe et al. 2013. Throws
/// Error below two dimensions.
Tensor orthogonal_(Tensor x, double gain = 1, MaybeKey key = {});
struct SparseOptions {
  double sparsity = 0;  // the share of each column that is 0, rounded up
  double std = 0.01;    // of the rest, which is normal
};
/// Martens 2010; 2-D only.
Tensor sparse_(Tensor x, const SparseOptions& options, MaybeKey key = {});

/// The bias with which a sigmoid's output starts at `p`: -log((1 - p) / p). Lin et al. 2017. Throws Error unless
/// 0 < p < 1.
double bias_init_with_prob(double p);

struct LsuvOptions {
  double tol = 0.1;  // of the variance around 1
  int max_steps = 10;
  std::vector<std::string> layers = {"_ConvNd", "Linear"};  // is_a() one of these
};
/// What lsuv_ did to one layer.
struct LsuvLayer {
  std::string name;
  double variance = 0;  // of its output in the end
  int steps = 0;        // divisions
};
/// Layer-sequential unit variance, Mishkin & Matas 2015: weights orthonormal, biases 0, then, in the order in which a
/// forward pass of `batch` in eval mode reaches the layers, each weight is divided by the standard deviation of its
/// layer's output until that variance is within `tol` of 1. One pass, in which each layer runs once or a few times; a
/// layer that runs again later is left alone. Returns the layers in that order; those that the pass does not reach stay
/// orthonormal. Throws Error that names a layer whose output does not vary or is not finite, and where there is none.
std::vector<LsuvLayer> lsuv_(Module& module, const Tensor& batch, const LsuvOptions& options = {}, MaybeKey key = {});

/// The key of one parameter of a module whose key is `module`.
RandomKey parameter_key(RandomKey module, std::string_view parameter);

/// Sets all parameters anew: first by the layers' default rules, then by the rules of the modules' init_cfg
/// (init_cfg.h). Each value is a function of the seed, the parameter's full name and its position: it does not depend
/// on the order of construction, nor on the other parameters. A tied parameter takes the value of its first name. A
/// second call logs a warning. What set a parameter is asked with module.init_info("conv1.weight").
void init_weights(Module& module, uint64_t seed);

}  // namespace ingot
