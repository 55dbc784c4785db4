#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "train/config_schema.h"

// How sections of a configuration, and what stands in them, are described, read and written.
namespace ingot {

inline ConfigSchema count() { return ConfigSchema::integer().at_least(1); }
inline ConfigSchema not_negative() { return ConfigSchema::number().at_least(0); }

/// A section's struct with its name in the file, kType, and its keys, config.
template <class S>
struct Section;

template <class E>
using Named = std::pair<std::string_view, E>;
/// An enumeration by its values' names.
template <class E, const auto& names>
struct NamedCodec {
  static ConfigSchema schema() {
    ConfigSchema out = ConfigSchema::choice({});
    for (const auto& [name, value] : names) out.choices.emplace_back(name);
    return out;
  }
  static E read(const ConfigNode& node) {
    const auto named = [&](const auto& n) { return n.first == node.as_text(); };
    return std::find_if(std::begin(names), std::end(names), named)->second;  // the schema let no other through
  }
  static ConfigNode write(E value) {
    const auto is_value = [&](const auto& n) { return n.second == value; };
    return ConfigNode::scalar(std::string(std::find_if(std::begin(names), std::end(names), is_value)->first), true);
  }
};
/// A choice among sections by the key "type".
template <class... S>
struct ConfigCodec<std::variant<S...>> {
  static ConfigSchema schema() {
    return ConfigSchema::variant({{std::string(Section<S>::kType), schema_of<Section<S>>()}...});
  }
  static std::variant<S...> read(const ConfigNode& node) {
    const std::string& type = node.at("type").as_text();
    std::variant<S...> out;
    const auto take = [&]<class T>() { out = static_cast<const T&>(read_config<Section<T>>(node)); };
    ((type == Section<S>::kType ? take.template operator()<S>() : void()), ...);
    return out;
  }
  static ConfigNode write(const std::variant<S...>& value) {
    return std::visit(
        []<class T>(const T& chosen) {
          ConfigNode node = ConfigCodec<Section<T>>::write(Section<T>{chosen});
          node.entries().insert(node.entries().begin(),
                                {"type", ConfigNode::scalar(std::string(Section<T>::kType), true)});
          return node;
        },
        value);
  }
};

/// A choice among sections, the kind, with further keys that all of them have.
template <class Kind, class Common>
struct SectionWith {
  static ConfigSchema schema() {
    ConfigSchema out = schema_of<Kind>();
    const auto common = schema_of<Common>().fields;
    for (auto& [name, object] : out.types) object.fields.insert(object.fields.end(), common.begin(), common.end());
    return out;
  }
  static ConfigNode write(const Kind& kind, const Common& common) {
    ConfigNode out = ConfigCodec<Kind>::write(kind);
    const ConfigNode more = ConfigCodec<Common>::write(common);
    out.entries().insert(out.entries().end(), more.entries().begin(), more.entries().end());
    return out;
  }
};

}  // namespace ingot
