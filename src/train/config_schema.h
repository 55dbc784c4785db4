#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "base/check.h"
#include "train/config_node.h"

namespace ingot {

struct ConfigField;

/// What a configuration may say at one place.
struct ConfigSchema {
  enum class Kind : uint8_t { any, boolean, integer, number, text, choice, list, map, object, variant };

  Kind kind = Kind::any;
  bool nullable = false;
  double min = -std::numeric_limits<double>::infinity(), max = std::numeric_limits<double>::infinity();  // of numbers
  std::vector<std::string> choices = {};
  size_t length = 0;                                 // of a list; 0: any
  bool one = false;                                  // an element that stands alone is a list of it
  std::shared_ptr<const ConfigSchema> element = {};  // of a list or a map with free keys
  std::vector<ConfigField> fields;                   // of an object (no initialiser: their type is not complete yet)
  /// A map whose key "type" decides which object it is: {"SGD", its fields}, ...
  std::vector<std::pair<std::string, ConfigSchema>> types = {};
  std::shared_ptr<const ConfigSchema> untyped = {};  // the object that it is without a "type"; none: it needs one

  static ConfigSchema boolean();
  static ConfigSchema integer();
  static ConfigSchema number();
  static ConfigSchema text();
  static ConfigSchema choice(std::vector<std::string> names);
  static ConfigSchema list_of(ConfigSchema element, size_t length = 0);
  static ConfigSchema map_of(ConfigSchema element);
  static ConfigSchema object(std::vector<ConfigField> fields);
  static ConfigSchema variant(std::vector<std::pair<std::string, ConfigSchema>> types);

  ConfigSchema at_least(double least) &&;
  ConfigSchema within(double least, double most) &&;
  ConfigSchema or_null() &&;
  ConfigSchema or_one() &&;
  ConfigSchema or_without_type(ConfigSchema object) &&;

  const ConfigField* field(std::string_view name) const;
  const ConfigSchema* type(std::string_view name) const;
};

/// A key of an object. Without a fallback it must be given.
struct ConfigField {
  std::string name;
  ConfigSchema schema;
  std::optional<ConfigNode> fallback = {};
  std::string doc = {};
};

/// Checks a configuration and returns it complete: defaults filled in, keys in the schema's order, texts marked as
/// such. Throws Error that lists what is wrong, one line each:
///   configs/my.yaml:14: unknown key 'momentun' in optimizer (SGD); did you mean 'momentum'?
ConfigNode resolve_config(const ConfigNode& node, const ConfigSchema& schema);

// ---- Structs that list their fields once:
//
//   struct Sgd {
//     double lr = 0, momentum = 0;
//     static constexpr auto config =
//         std::tuple{required_key("lr", &Sgd::lr), optional_key("momentum", &Sgd::momentum)};
//   };
//   ConfigSchema schema = schema_of<Sgd>();
//   Sgd sgd = read_config<Sgd>(resolved.at("optimizer"));

/// How a C++ type is described, read and written.
template <class T>
struct ConfigCodec;

template <class S, class T>
struct ConfigMember {
  std::string_view name;
  T S::* member;
  bool required;
  ConfigSchema (*schema)();  // null: the type's own
};
template <class S, class T>
constexpr ConfigMember<S, T> required_key(std::string_view name, T S::* member, ConfigSchema (*schema)() = nullptr) {
  return {name, member, true, schema};
}
/// Its default is what a default-constructed struct holds.
template <class S, class T>
constexpr ConfigMember<S, T> optional_key(std::string_view name, T S::* member, ConfigSchema (*schema)() = nullptr) {
  return {name, member, false, schema};
}

template <class T>
ConfigSchema schema_of() {
  return ConfigCodec<T>::schema();
}
template <class T>
T read_config(const ConfigNode& node) {
  return ConfigCodec<T>::read(node);
}

template <>
struct ConfigCodec<bool> {
  static ConfigSchema schema() { return ConfigSchema::boolean(); }
  static bool read(const ConfigNode& node) { return node.as_bool(); }
  static ConfigNode write(bool value) { return ConfigNode::scalar(value ? "true" : "false"); }
};
template <>
struct ConfigCodec<int64_t> {
  static ConfigSchema schema() { return ConfigSchema::integer(); }
  static int64_t read(const ConfigNode& node) { return node.as_int(); }
  static ConfigNode write(int64_t value) { return ConfigNode::scalar(std::to_string(value)); }
};
template <>
struct ConfigCodec<int> {
  static ConfigSchema schema();  // within the type's range
  static int read(const ConfigNode& node) { return static_cast<int>(node.as_int()); }
  static ConfigNode write(int value) { return ConfigNode::scalar(std::to_string(value)); }
};
template <>
struct ConfigCodec<double> {
  static ConfigSchema schema() { return ConfigSchema::number(); }
  static double read(const ConfigNode& node) { return node.as_double(); }
  static ConfigNode write(double value);  // the shortest text that reads back to the same number
};
template <>
struct ConfigCodec<std::string> {
  static ConfigSchema schema() { return ConfigSchema::text(); }
  static std::string read(const ConfigNode& node) { return node.as_text(); }
  static ConfigNode write(const std::string& value) { return ConfigNode::scalar(value, true); }
};
/// Part of a configuration that something else will read, a `type`-discriminated one for instance.
template <>
struct ConfigCodec<ConfigNode> {
  static ConfigSchema schema() { return {}; }
  static ConfigNode read(const ConfigNode& node) { return node; }
  static ConfigNode write(const ConfigNode& node) { return node; }
};
template <class T>
struct ConfigCodec<std::optional<T>> {
  static ConfigSchema schema() { return schema_of<T>().or_null(); }
  static std::optional<T> read(const ConfigNode& node) {
    return node.is_null() ? std::nullopt : std::optional<T>(read_config<T>(node));
  }
  static ConfigNode write(const std::optional<T>& value) {
    return value ? ConfigCodec<T>::write(*value) : ConfigNode();
  }
};
template <class T>
struct ConfigCodec<std::vector<T>> {
  static ConfigSchema schema() { return ConfigSchema::list_of(schema_of<T>()); }
  static std::vector<T> read(const ConfigNode& node) {
    std::vector<T> out;
    for (const ConfigNode& item : node.items()) out.push_back(read_config<T>(item));
    return out;
  }
  static ConfigNode write(const std::vector<T>& values) {
    ConfigNode out = ConfigNode::list();
    for (const T& value : values) out.items().push_back(ConfigCodec<T>::write(value));
    return out;
  }
};
template <class T>
struct ConfigCodec<std::map<std::string, T>> {
  static ConfigSchema schema() { return ConfigSchema::map_of(schema_of<T>()); }
  static std::map<std::string, T> read(const ConfigNode& node) {
    std::map<std::string, T> out;
    for (const auto& [key, value] : node.entries()) out.emplace(key, read_config<T>(value));
    return out;
  }
  static ConfigNode write(const std::map<std::string, T>& values) {
    ConfigNode out = ConfigNode::map();
    for (const auto& [key, value] : values) out.set(key, ConfigCodec<T>::write(value));
    return out;
  }
};

template <class S>
  requires requires { S::config; }
struct ConfigCodec<S> {
  template <class Visit>
  static void each(const Visit& visit) {
    std::apply([&](const auto&... member) { (visit(member), ...); }, S::config);
  }
  static ConfigSchema schema() {
    std::vector<ConfigField> fields;
    const S defaults{};
    each([&](const auto& m) {
      using T = std::remove_cvref_t<decltype(defaults.*(m.member))>;
      ConfigField field{.name = std::string(m.name), .schema = m.schema ? m.schema() : schema_of<T>()};
      if (!m.required) field.fallback = ConfigCodec<T>::write(defaults.*(m.member));
      fields.push_back(std::move(field));
    });
    return ConfigSchema::object(std::move(fields));
  }
  static S read(const ConfigNode& node) {
    S out{};
    each([&](const auto& m) {
      using T = std::remove_cvref_t<decltype(out.*(m.member))>;
      out.*(m.member) = read_config<T>(node.at(m.name));
    });
    return out;
  }
  static ConfigNode write(const S& value) {
    ConfigNode out = ConfigNode::map();
    each([&](const auto& m) {
      using T = std::remove_cvref_t<decltype(value.*(m.member))>;
      out.set(m.name, ConfigCodec<T>::write(value.*(m.member)));
    });
    return out;
  }
};

}  // namespace ingot
