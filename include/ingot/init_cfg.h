#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ingot/init.h"

// How a network's parameters start, written down as data: MMEngine's init_cfg, with its names and defaults.
//
//   net.set_init_cfg({{.type = KaimingInit{}, .layer = {"_ConvNd"}},
//                     {.type = XavierInit{}, .layer = {"Linear"}}});
//   init_weights(net, seed);
//
// Facts follow mmengine/model/weight_init.py and base_module.py. Where MMEngine does nothing and says nothing, this
// throws.
namespace ingot {

enum class Distribution : uint8_t { uniform, normal };

// ---- Initialisers: each sets a layer's `weight`, and its `bias` to a constant

struct ConstantInit {
  static constexpr std::string_view kName = "Constant";
  double val = 0;
};
struct XavierInit {
  static constexpr std::string_view kName = "Xavier";
  double gain = 1;
  Distribution distribution = Distribution::normal;
};
struct NormalInit {
  static constexpr std::string_view kName = "Normal";
  double mean = 0, std = 1;
};
struct TruncNormalInit {
  static constexpr std::string_view kName = "TruncNormal";
  double mean = 0, std = 1, a = -2, b = 2;
};
struct UniformInit {
  static constexpr std::string_view kName = "Uniform";
  double a = 0, b = 1;
};
/// Its defaults are MMEngine's; kaiming_normal_ and kaiming_uniform_ (init.h) have PyTorch's, fan_in and leaky_relu.
struct KaimingInit {
  static constexpr std::string_view kName = "Kaiming";
  double a = 0;
  FanMode mode = FanMode::fan_out;
  std::string nonlinearity = "relu";
  Distribution distribution = Distribution::normal;
};
struct Caffe2XavierInit {
  static constexpr std::string_view kName = "Caffe2Xavier";
};
/// Not MMEngine's.
struct OrthogonalInit {
  static constexpr std::string_view kName = "Orthogonal";
  double gain = 1;
};
/// Loads a checkpoint (load_checkpoint_tensors in io.h), the part of it below `prefix` where there is one, by names.
/// Names that only one side has, and tensors of another shape, are listed on stderr and left as they are; throws Error
/// where none fits.
struct PretrainedInit {
  static constexpr std::string_view kName = "Pretrained";
  std::filesystem::path checkpoint;
  std::string prefix = {};
};

using Initializer = std::variant<ConstantInit, XavierInit, NormalInit, TruncNormalInit, UniformInit, KaimingInit,
                                 Caffe2XavierInit, OrthogonalInit, PretrainedInit>;
/// "Kaiming".
std::string_view name_of(const Initializer& how);
/// "Kaiming(a=0, mode=fan_out, nonlinearity=relu, distribution=normal)".
std::string to_string(const Initializer& how);

/// Sets the module's own weight and bias, as far as it has them; Pretrained loads the module and its descendants.
/// Throws Error where it has neither.
void init_layer(Module& module, const Initializer& how, double bias = 0, MaybeKey key = {});

// MMEngine's functions of these names.
inline void constant_init(Module& m, double val, double bias = 0) { init_layer(m, ConstantInit{val}, bias); }
inline void xavier_init(Module& m, const XavierInit& how = {}, double bias = 0, MaybeKey key = {}) {
  init_layer(m, how, bias, key);
}
inline void normal_init(Module& m, const NormalInit& how = {}, double bias = 0, MaybeKey key = {}) {
  init_layer(m, how, bias, key);
}
inline void trunc_normal_init(Module& m, const TruncNormalInit& how = {}, double bias = 0, MaybeKey key = {}) {
  init_layer(m, how, bias, key);
}
inline void uniform_init(Module& m, const UniformInit& how = {}, double bias = 0, MaybeKey key = {}) {
  init_layer(m, how, bias, key);
}
inline void kaiming_init(Module& m, const KaimingInit& how = {}, double bias = 0, MaybeKey key = {}) {
  init_layer(m, how, bias, key);
}
inline void caffe2_xavier_init(Module& m, double bias = 0, MaybeKey key = {}) {
  init_layer(m, Caffe2XavierInit{}, bias, key);
}

// ---- Rules

/// Of a rule: what holds instead for one child and all its descendants.
struct InitOverride {
  std::string name;                      // of a direct child
  std::optional<Initializer> type = {};  // none: the rule's own initialiser and bias; then nothing else may be set
  std::optional<double> bias = {}, bias_prob = {};
};

struct InitRule {
  Initializer type;
  std::vector<std::string> layer = {};  // the types that it is for, or their bases: is_a() one of these
  double bias = 0;
  std::optional<double> bias_prob = {};  // the bias from bias_init_with_prob
  std::vector<InitOverride> override = {};
};

/// A module's rules, which init_weights applies after the layers' default ones: those of the module in their order,
/// each with its overrides; then those of its descendants; then its Pretrained ones. Later ones win. A value is a
/// function of the seed, the parameter's full name and the rule.
using InitCfg = std::vector<InitRule>;

/// What init_weights refuses before it draws anything: a rule that names neither layers nor an override, that matches
/// no module with a weight or bias, whose override is no child, or that needs two dimensions where a weight has one.
void check_init_cfg(Module& module);

}  // namespace ingot
