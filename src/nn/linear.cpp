#include "ingot/nn/linear.h"

#include <cmath>

#include "ingot/init.h"
#include "nn/draw.h"
#include "nn/refuse.h"
#include "nn/text.h"

namespace ingot {

void draw_uniform(const Tensor& weight, const std::optional<Tensor>& bias, RandomKey key) {
  const auto fan_in = static_cast<double>(calculate_fan(weight).in);
  const double bound = fan_in > 0 ? 1 / std::sqrt(fan_in) : 0;
  uniform_(weight, -bound, bound, parameter_key(key, "weight"));
  if (bias) uniform_(*bias, -bound, bound, parameter_key(key, "bias"));
}

Linear::Linear(int64_t in, int64_t out, const LinearOptions& options) : in_features(in), out_features(out) {
  require(in >= 0 && out >= 0, "Linear", "{} input and {} output features: neither may be negative", in, out);
  parameter("weight", weight, empty({out, in}));
  if (options.bias) parameter("bias", bias, empty({out}));
  draw_initial_values();
}

void Linear::reset_parameters(RandomKey key) { draw_uniform(weight, bias, key); }

std::string Linear::extra_repr() const {
  return fmt::format("in_features={}, out_features={}, bias={}", in_features, out_features,
                     python_text(bias.has_value()));
}

}  // namespace ingot
