#include "ingot/init.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/text.h"
#include "ingot/ops.h"
#include "nn/draw.h"

namespace ingot {
namespace {

double kaiming_std(const Tensor& x, const KaimingOptions& options) {
  const Fan fan = calculate_fan(x);
  const int64_t n = options.mode == FanMode::fan_in ? fan.in : fan.out;
  return calculate_gain(options.nonlinearity, options.a) / std::sqrt(static_cast<double>(n));
}

double xavier_std(const Tensor& x, double gain) {
  const Fan fan = calculate_fan(x);
  return gain * std::sqrt(2.0 / static_cast<double>(fan.in + fan.out));
}

}  // namespace

double calculate_gain(std::string_view nonlinearity, std::optional<double> param) {
  static const std::vector<std::string> names{
      "linear",           "conv1d",  "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
      "conv_transpose3d", "sigmoid", "tanh",   "relu",   "leaky_relu",       "selu"};
  if (nonlinearity == "tanh") return 5.0 / 3;
  if (nonlinearity == "relu") return std::sqrt(2.0);
  if (nonlinearity == "leaky_relu") return std::sqrt(2 / (1 + param.value_or(0.01) * param.value_or(0.01)));
  if (nonlinearity == "selu") return 0.75;
  CHECK(std::find(names.begin(), names.end(), nonlinearity) != names.end(),
        "no gain is known for the nonlinearity '{}'{}", nonlinearity, did_you_mean(nonlinearity, names));
  return 1;
}

Fan calculate_fan(const Tensor& x) {
  CHECK(x.rank() >= 2, "fan in and out need a tensor of two dimensions or more, this one is {}", to_string(x.shape()));
  int64_t field = 1;
  for (int64_t d = 2; d < x.rank(); ++d) field *= x.size(d);
  return {x.size(1) * field, x.size(0) * field};
}

Tensor uniform_(Tensor x, double low, double high, MaybeKey key) {
  CHECK(low <= high, "uniform_ from {} to {}: the bounds are the wrong way round", low, high);
  copy_into(x, uniform(x.shape(), low, high, key_or_next(key), drawn_dtype(x)));
  return x;
}

Tensor normal_(Tensor x, double mean, double std, MaybeKey key) {
  CHECK(std >= 0, "normal_ with standard deviation {}: it must not be negative", std);
  copy_into(x, normal(x.shape(), mean, std, key_or_next(key), drawn_dtype(x)));
  return x;
}

Tensor constant_(Tensor x, double value) {
  fill(x, value);
  return x;
}

Tensor zeros_(Tensor x) { return constant_(std::move(x), 0); }
Tensor ones_(Tensor x) { return constant_(std::move(x), 1); }

Tensor xavier_uniform_(Tensor x, double gain, MaybeKey key) {
  const double bound = std::sqrt(3.0) * xavier_std(x, gain);
  return uniform_(x, -bound, bound, key);
}
Tensor xavier_normal_(Tensor x, double gain, MaybeKey key) { return normal_(x, 0, xavier_std(x, gain), key); }

Tensor kaiming_uniform_(Tensor x, const KaimingOptions& options, MaybeKey key) {
  const double bound = std::sqrt(3.0) * kaiming_std(x, options);
  return uniform_(x, -bound, bound, key);
}
Tensor kaiming_normal_(Tensor x, const KaimingOptions& options, MaybeKey key) {
  return normal_(x, 0, kaiming_std(x, options), key);
}

Tensor caffe2_xavier_(Tensor x, MaybeKey key) { return kaiming_uniform_(std::move(x), {.a = 1}, key); }

double bias_init_with_prob(double p) {
  CHECK(p > 0 && p < 1, "bias_init_with_prob of {}: a probability between 0 and 1 is expected", p);
  return -std::log((1 - p) / p);
}

RandomKey parameter_key(RandomKey module, std::string_view parameter) {
  return random_key(module.value, "parameter", parameter);
}

}  // namespace ingot
