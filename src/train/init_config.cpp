#include "train/init_config.h"

#include <filesystem>

#include "train/config_section.h"

namespace ingot {
namespace {

ConfigSchema probability() { return ConfigSchema::number().within(0, 1).or_null(); }

}  // namespace

inline constexpr Named<Distribution> kDistributions[] = {{"uniform", Distribution::uniform},
                                                         {"normal", Distribution::normal}};
inline constexpr Named<FanMode> kFanModes[] = {{"fan_in", FanMode::fan_in}, {"fan_out", FanMode::fan_out}};
template <>
struct ConfigCodec<Distribution> : NamedCodec<Distribution, kDistributions> {};
template <>
struct ConfigCodec<FanMode> : NamedCodec<FanMode, kFanModes> {};

namespace {

// ---- The keys of each initialiser

template <class How>
struct Keys;

template <>
struct Keys<ConstantInit> : ConstantInit {
  static constexpr auto config = std::tuple{required_key("val", &Keys::val)};
};
template <>
struct Keys<XavierInit> : XavierInit {
  static constexpr auto config =
      std::tuple{optional_key("gain", &Keys::gain), optional_key("distribution", &Keys::distribution)};
};
template <>
struct Keys<NormalInit> : NormalInit {
  static constexpr auto config =
      std::tuple{optional_key("mean", &Keys::mean), optional_key("std", &Keys::std, not_negative)};
};
template <>
struct Keys<TruncNormalInit> : TruncNormalInit {
  static constexpr auto config =
      std::tuple{optional_key("mean", &Keys::mean), optional_key("std", &Keys::std, not_negative),
                 optional_key("a", &Keys::a), optional_key("b", &Keys::b)};
};
template <>
struct Keys<UniformInit> : UniformInit {
  static constexpr auto config = std::tuple{optional_key("a", &Keys::a), optional_key("b", &Keys::b)};
};
template <>
struct Keys<KaimingInit> : KaimingInit {
  static constexpr auto config =
      std::tuple{optional_key("a", &Keys::a), optional_key("mode", &Keys::mode),
                 optional_key("nonlinearity", &Keys::nonlinearity), optional_key("distribution", &Keys::distribution)};
};
template <>
struct Keys<Caffe2XavierInit> : Caffe2XavierInit {
  static constexpr auto config = std::tuple{};
};
template <>
struct Keys<OrthogonalInit> : OrthogonalInit {
  static constexpr auto config = std::tuple{optional_key("gain", &Keys::gain)};
};
/// The only one that sets no bias.
template <>
struct Keys<PretrainedInit> {
  std::string checkpoint, prefix;
  static constexpr auto config =
      std::tuple{required_key("checkpoint", &Keys::checkpoint), optional_key("prefix", &Keys::prefix)};
};

PretrainedInit from_keys(const Keys<PretrainedInit>& k) { return {k.checkpoint, k.prefix}; }
template <class How>
How from_keys(const Keys<How>& k) {
  return k;
}
Keys<PretrainedInit> to_keys(const PretrainedInit& how) { return {how.checkpoint.string(), how.prefix}; }
template <class How>
Keys<How> to_keys(const How& how) {
  return {how};
}

// ---- What stands beside them

/// In an override.
struct Bias {
  double bias = 0;
  std::optional<double> bias_prob;
  static constexpr auto config =
      std::tuple{optional_key("bias", &Bias::bias), optional_key("bias_prob", &Bias::bias_prob, probability)};
};
struct Name {
  std::string name;
  static constexpr auto config = std::tuple{required_key("name", &Name::name)};
};

template <class... Parts>
ConfigSchema together() {
  std::vector<ConfigField> fields;
  const auto add = [&](ConfigSchema part) { fields.insert(fields.end(), part.fields.begin(), part.fields.end()); };
  (add(schema_of<Parts>()), ...);
  return ConfigSchema::object(std::move(fields));
}
template <class... Parts>
ConfigNode together(const Parts&... parts) {
  ConfigNode out = ConfigNode::map();
  const auto add = [&](const ConfigNode& part) {
    for (const auto& [key, value] : part.entries()) out.set(key, value);
  };
  (add(ConfigCodec<Parts>::write(parts)), ...);
  return out;
}

using Types = std::vector<std::pair<std::string, ConfigSchema>>;

/// Calls make<How>() for each initialiser.
template <class Make, class... How>
Types types_of(const Make& make, std::type_identity<std::variant<How...>>) {
  return { {std::string(How::kName), make.template operator()<How>()}... };
}
template <class Make>
Types types_of(const Make& make) {
  return types_of(make, std::type_identity<Initializer>());
}

template <class... How>
Initializer read_how(const ConfigNode& node, std::type_identity<std::variant<How...>>) {
  const std::string& type = node.at("type").as_text();
  Initializer how;
  ((type == How::kName ? void(how = from_keys(read_config<Keys<How>>(node))) : void()), ...);
  return how;
}
Initializer read_how(const ConfigNode& node) { return read_how(node, std::type_identity<Initializer>()); }

template <class How>
constexpr bool kSetsBias = !std::is_same_v<How, PretrainedInit>;

ConfigNode with_type(const Initializer& how, ConfigNode node) {
  node.entries().insert(node.entries().begin(), {"type", ConfigNode::scalar(std::string(name_of(how)), true)});
  return node;
}

}  // namespace

template <>
struct ConfigCodec<InitOverride> {
  static ConfigSchema schema() {
    ConfigSchema typed = ConfigSchema::variant(types_of([]<class How>() {
      if constexpr (kSetsBias<How>)
        return together<Name, Keys<How>, Bias>();
      else
        return together<Name, Keys<How>>();
    }));
    return std::move(typed).or_without_type(schema_of<Name>());
  }
  static InitOverride read(const ConfigNode& node) {
    InitOverride o{.name = node.at("name").as_text()};
    if (node.find("type") == nullptr) return o;
    o.type = read_how(node);
    if (node.find("bias") == nullptr) return o;
    const auto bias = read_config<Bias>(node);
    o.bias = bias.bias, o.bias_prob = bias.bias_prob;
    return o;
  }
  static ConfigNode write(const InitOverride& o) {
    if (!o.type) return ConfigCodec<Name>::write({o.name});
    return std::visit(
        [&]<class How>(const How& how) {
          if constexpr (kSetsBias<How>)
            return with_type(how, together(Name{o.name}, to_keys(how), Bias{o.bias.value_or(0), o.bias_prob}));
          else
            return with_type(how, together(Name{o.name}, to_keys(how)));
        },
        *o.type);
  }
};

namespace {

/// In a rule.
struct Scope {
  std::vector<std::string> layer;
  std::vector<InitOverride> override;
  static constexpr auto config = std::tuple{
      optional_key("layer", &Scope::layer, [] { return schema_of<std::vector<std::string>>().or_one(); }),
      optional_key("override", &Scope::override, [] { return schema_of<std::vector<InitOverride>>().or_one(); })};
};

}  // namespace

ConfigSchema ConfigCodec<InitRule>::schema() {
  return ConfigSchema::variant(types_of([]<class How>() {
    if constexpr (kSetsBias<How>)
      return together<Keys<How>, Bias, Scope>();
    else
      return schema_of<Keys<How>>();
  }));
}

InitRule ConfigCodec<InitRule>::read(const ConfigNode& node) {
  InitRule rule{.type = read_how(node)};
  if (node.find("layer") == nullptr) return rule;
  const auto bias = read_config<Bias>(node);
  const auto scope = read_config<Scope>(node);
  rule.bias = bias.bias, rule.bias_prob = bias.bias_prob;
  rule.layer = scope.layer, rule.override = scope.override;
  return rule;
}

ConfigNode ConfigCodec<InitRule>::write(const InitRule& rule) {
  return std::visit(
      [&]<class How>(const How& how) {
        if constexpr (kSetsBias<How>)
          return with_type(how, together(to_keys(how), Bias{rule.bias, rule.bias_prob},
                                         Scope{.layer = rule.layer, .override = rule.override}));
        else
          return with_type(how, ConfigCodec<Keys<How>>::write(to_keys(how)));
      },
      rule.type);
}

}  // namespace ingot
