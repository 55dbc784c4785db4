#include "ingot/init_cfg.h"

#include "base/check.h"
#include "ingot/ops.h"
#include "nn/draw.h"
#include "nn/init_state.h"
#include "nn/pretrained.h"

namespace ingot {
namespace {

// ---- What each initialiser does to a weight

void set_weight(const Tensor& w, const ConstantInit& how, RandomKey) { constant_(w, how.val); }
void set_weight(const Tensor& w, const XavierInit& how, RandomKey key) {
  how.distribution == Distribution::uniform ? xavier_uniform_(w, how.gain, key) : xavier_normal_(w, how.gain, key);
}
void set_weight(const Tensor& w, const NormalInit& how, RandomKey key) { normal_(w, how.mean, how.std, key); }
void set_weight(const Tensor& w, const TruncNormalInit& how, RandomKey key) {
  trunc_normal_(w, {.mean = how.mean, .std = how.std, .a = how.a, .b = how.b}, key);
}
void set_weight(const Tensor& w, const UniformInit& how, RandomKey key) { uniform_(w, how.a, how.b, key); }
void set_weight(const Tensor& w, const KaimingInit& how, RandomKey key) {
  const KaimingOptions options{.a = how.a, .mode = how.mode, .nonlinearity = how.nonlinearity};
  how.distribution == Distribution::uniform ? kaiming_uniform_(w, options, key) : kaiming_normal_(w, options, key);
}
void set_weight(const Tensor& w, const Caffe2XavierInit&, RandomKey key) { caffe2_xavier_(w, key); }
void set_weight(const Tensor& w, const OrthogonalInit& how, RandomKey key) { orthogonal_(w, how.gain, key); }

// ---- Its fields

std::string_view name_of(Distribution d) { return d == Distribution::uniform ? "uniform" : "normal"; }
std::string_view name_of(FanMode mode) { return mode == FanMode::fan_in ? "fan_in" : "fan_out"; }

std::string fields(const ConstantInit& how) { return fmt::format("val={}", how.val); }
std::string fields(const XavierInit& how) {
  return fmt::format("gain={}, distribution={}", how.gain, name_of(how.distribution));
}
std::string fields(const NormalInit& how) { return fmt::format("mean={}, std={}", how.mean, how.std); }
std::string fields(const TruncNormalInit& how) {
  return fmt::format("mean={}, std={}, a={}, b={}", how.mean, how.std, how.a, how.b);
}
std::string fields(const UniformInit& how) { return fmt::format("a={}, b={}", how.a, how.b); }
std::string fields(const KaimingInit& how) {
  return fmt::format("a={}, mode={}, nonlinearity={}, distribution={}", how.a, name_of(how.mode), how.nonlinearity,
                     name_of(how.distribution));
}
std::string fields(const Caffe2XavierInit&) { return ""; }
std::string fields(const OrthogonalInit& how) { return fmt::format("gain={}", how.gain); }
std::string fields(const PretrainedInit& how) {
  return fmt::format("checkpoint={}{}{}", how.checkpoint.string(), how.prefix.empty() ? "" : ", prefix=", how.prefix);
}

// ---- What contradicts itself

void check(const NormalInit& how) { CHECK(how.std >= 0, "std is {}, it must not be negative", how.std); }
void check(const TruncNormalInit& how) {
  CHECK(how.std > 0, "std is {}, it must be positive", how.std);
  CHECK(how.a < how.b, "a is {} and b {}: the bounds are the wrong way round", how.a, how.b);
}
void check(const UniformInit& how) {
  CHECK(how.a <= how.b, "a is {} and b {}: the bounds are the wrong way round", how.a, how.b);
}
void check(const KaimingInit& how) { calculate_gain(how.nonlinearity, how.a); }
void check(const PretrainedInit& how) { CHECK(!how.checkpoint.empty(), "it has no checkpoint"); }
template <class Other>
void check(const Other&) {}

void check_type(const Initializer& type) {
  std::visit([](const auto& how) { check(how); }, type);
}
void check_bias(double bias, const std::optional<double>& bias_prob) {
  if (!bias_prob) return;
  CHECK(bias == 0, "bias {} and bias_prob {} exclude each other", bias, *bias_prob);
  bias_init_with_prob(*bias_prob);
}

void check_override(const InitOverride& o) {
  CHECK(!o.name.empty(), "an override has no name");
  const bool alone = !o.bias && !o.bias_prob;
  CHECK(o.type || alone,
        "override '{}' has a bias but no type: with its name alone it takes all from the rule, else it needs a type",
        o.name);
  if (!o.type) return;
  CHECK(alone || !std::holds_alternative<PretrainedInit>(*o.type), "override '{}': Pretrained takes no bias", o.name);
  check_type(*o.type);
  check_bias(o.bias.value_or(0), o.bias_prob);
}

void check_rule(const InitRule& rule) {
  check_type(rule.type);
  check_bias(rule.bias, rule.bias_prob);
  for (const InitOverride& o : rule.override) check_override(o);
  if (!std::holds_alternative<PretrainedInit>(rule.type)) return;
  CHECK(rule.layer.empty() && rule.override.empty() && rule.bias == 0 && !rule.bias_prob,
        "it takes a checkpoint and a prefix, no layer, bias or override");
}

}  // namespace

std::string_view name_of(const Initializer& how) {
  return std::visit([]<class T>(const T&) { return T::kName; }, how);
}
std::string to_string(const Initializer& how) {
  return fmt::format("{}({})", name_of(how), std::visit([](const auto& h) { return fields(h); }, how));
}

void init_layer(Module& module, const Initializer& how, double bias_value, MaybeKey maybe_key) {
  if (const auto* from = std::get_if<PretrainedInit>(&how)) {
    load_pretrained(module, *from);
    return;
  }
  const Tensor weight = own_parameter(module, "weight"), bias = own_parameter(module, "bias");
  CHECK(weight.defined() || bias.defined(), "{} has neither weight nor bias to set", module.type_name());
  const RandomKey key = key_or_next(maybe_key);
  if (weight.defined())
    std::visit(
        [&]<class T>(const T& h) {
          if constexpr (!std::is_same_v<T, PretrainedInit>) set_weight(weight, h, parameter_key(key, "weight"));
        },
        how);
  if (bias.defined()) constant_(bias, bias_value);
}

void Module::set_init_cfg(InitCfg rules) {
  for (size_t i = 0; i < rules.size(); ++i) {
    try {
      check_rule(rules[i]);
    } catch (const Error& error) {
      fail("init_cfg[{}] ({}) of {}: {}", i, name_of(rules[i].type), type_name(), error.what());
    }
  }
  InitState::of(*this).cfg = std::move(rules);
}

const InitCfg& Module::init_cfg() const {
  static const InitCfg kNone;
  return init_state_ ? init_state_->cfg : kNone;
}

}  // namespace ingot
