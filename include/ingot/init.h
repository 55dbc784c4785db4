#pragma once

#include <optional>
#include <string_view>

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

/// The key of one parameter of a module whose key is `module`.
RandomKey parameter_key(RandomKey module, std::string_view parameter);

/// Draws all parameters anew by the layers' default rules. Each value is a function of the seed, the parameter's full
/// name and its position: it does not depend on the order of construction, nor on the other parameters. A tied
/// parameter takes the value of its first name.
void init_weights(Module& module, uint64_t seed);

}  // namespace ingot
