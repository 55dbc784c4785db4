#include "train/config_schema.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace ingot {

ConfigSchema ConfigSchema::boolean() { return {.kind = Kind::boolean}; }
ConfigSchema ConfigSchema::integer() { return {.kind = Kind::integer}; }
ConfigSchema ConfigSchema::number() { return {.kind = Kind::number}; }
ConfigSchema ConfigSchema::text() { return {.kind = Kind::text}; }
ConfigSchema ConfigSchema::choice(std::vector<std::string> names) {
  return {.kind = Kind::choice, .choices = std::move(names)};
}
ConfigSchema ConfigSchema::list_of(ConfigSchema element, size_t length) {
  return {.kind = Kind::list, .length = length, .element = std::make_shared<const ConfigSchema>(std::move(element))};
}
ConfigSchema ConfigSchema::map_of(ConfigSchema element) {
  return {.kind = Kind::map, .element = std::make_shared<const ConfigSchema>(std::move(element))};
}
ConfigSchema ConfigSchema::object(std::vector<ConfigField> fields) {
  return {.kind = Kind::object, .fields = std::move(fields)};
}
ConfigSchema ConfigSchema::variant(std::vector<std::pair<std::string, ConfigSchema>> types) {
  return {.kind = Kind::variant, .types = std::move(types)};
}
ConfigSchema ConfigSchema::at_least(double least) && {
  min = least;
  return std::move(*this);
}
ConfigSchema ConfigSchema::within(double least, double most) && {
  min = least;
  max = most;
  return std::move(*this);
}
ConfigSchema ConfigSchema::or_null() && {
  nullable = true;
  return std::move(*this);
}
ConfigSchema ConfigSchema::or_one() && {
  one = true;
  return std::move(*this);
}
ConfigSchema ConfigSchema::or_without_type(ConfigSchema object) && {
  untyped = std::make_shared<const ConfigSchema>(std::move(object));
  return std::move(*this);
}
const ConfigField* ConfigSchema::field(std::string_view name) const {
  const auto it = std::find_if(fields.begin(), fields.end(), [&](const ConfigField& f) { return f.name == name; });
  return it == fields.end() ? nullptr : &*it;
}
const ConfigSchema* ConfigSchema::type(std::string_view name) const {
  const auto it = std::find_if(types.begin(), types.end(), [&](const auto& t) { return t.first == name; });
  return it == types.end() ? nullptr : &it->second;
}

ConfigSchema ConfigCodec<int>::schema() {
  return ConfigSchema::integer().within(std::numeric_limits<int>::min(), std::numeric_limits<int>::max());
}
ConfigNode ConfigCodec<double>::write(double value) {
  if (std::isnan(value)) return ConfigNode::scalar(".nan");
  if (std::isinf(value)) return ConfigNode::scalar(value > 0 ? ".inf" : "-.inf");
  return ConfigNode::scalar(fmt::format("{}", value));
}

namespace {

constexpr size_t kMostErrors = 20;

class Resolver {
 public:
  std::vector<std::string> errors;

  /// `path` names the node in errors: "optimizer", "scheduler[0]"; empty for the whole.
  ConfigNode resolve(const ConfigNode& node, const ConfigSchema& schema, const std::string& path) {
    if (node.is_null() && (schema.nullable || schema.kind == ConfigSchema::Kind::any)) return node;
    switch (schema.kind) {
      case ConfigSchema::Kind::any:
        return node;
      case ConfigSchema::Kind::boolean:
        return boolean(node, path);
      case ConfigSchema::Kind::integer:
        return integer(node, schema, path);
      case ConfigSchema::Kind::number:
        return number(node, schema, path);
      case ConfigSchema::Kind::text:
      case ConfigSchema::Kind::choice:
        return text(node, schema, path);
      case ConfigSchema::Kind::list:
        return list(node, schema, path);
      case ConfigSchema::Kind::map:
        return map(node, schema, path);
      case ConfigSchema::Kind::object:
        return node.is_map() ? object(node, schema, path, path) : wrong(node, path, "a map");
      case ConfigSchema::Kind::variant:
        return variant(node, schema, path);
    }
    return node;
  }

 private:
  template <class... Args>
  void error(const ConfigNode& node, fmt::format_string<Args...> text, Args&&... args) {
    errors.push_back(fmt::format("{}: {}", node.place.str(), fmt::format(text, std::forward<Args>(args)...)));
  }
  static std::string name_of(const std::string& path) { return path.empty() ? "the config" : path; }
  static std::string what(const ConfigNode& node) {
    if (node.is_null()) return "empty";
    if (node.is_list()) return "a list";
    if (node.is_map()) return "a map";
    return fmt::format("{}'{}'", node.quoted() ? "the text " : "", node.text());
  }
  ConfigNode wrong(const ConfigNode& node, const std::string& path, std::string_view expected) {
    error(node, "{} is {}, {} is expected", name_of(path), what(node), expected);
    return node;
  }
  static ConfigNode at_place(ConfigNode fresh, const ConfigNode& old) {
    fresh.place = old.place;
    return fresh;
  }

  ConfigNode boolean(const ConfigNode& node, const std::string& path) {
    const auto value = node.to_bool();
    return value ? at_place(ConfigCodec<bool>::write(*value), node) : wrong(node, path, "true or false");
  }
  bool in_range(double value, const ConfigNode& node, const ConfigSchema& schema, const std::string& path) {
    const bool inside = value >= schema.min && value <= schema.max;
    const bool above_only = std::isinf(schema.max);
    if (!inside && above_only) error(node, "{} is {}, it must be at least {}", name_of(path), node.text(), schema.min);
    if (!inside && !above_only)
      error(node, "{} is {}, it must be from {} to {}", name_of(path), node.text(), schema.min, schema.max);
    return inside;
  }
  ConfigNode integer(const ConfigNode& node, const ConfigSchema& schema, const std::string& path) {
    const auto value = node.to_int();
    if (!value) return wrong(node, path, "a whole number");
    in_range(static_cast<double>(*value), node, schema, path);
    return at_place(ConfigCodec<int64_t>::write(*value), node);
  }
  ConfigNode number(const ConfigNode& node, const ConfigSchema& schema, const std::string& path) {
    const auto value = node.to_double();
    if (!value) return wrong(node, path, "a number");
    const bool bounded = std::isfinite(schema.min) || std::isfinite(schema.max);
    if (bounded) in_range(*value, node, schema, path);
    return at_place(ConfigCodec<double>::write(*value), node);
  }
  ConfigNode text(const ConfigNode& node, const ConfigSchema& schema, const std::string& path) {
    const bool choice = schema.kind == ConfigSchema::Kind::choice;
    const std::string expected = choice ? "one of " + join(schema.choices, ", ") : "a text";
    if (!node.is_scalar()) return wrong(node, path, expected);
    if (choice && std::find(schema.choices.begin(), schema.choices.end(), node.text()) == schema.choices.end())
      error(node, "{} is '{}', {} is expected{}", name_of(path), node.text(), expected,
            did_you_mean(node.text(), schema.choices));
    return at_place(ConfigNode::scalar(node.text(), true), node);
  }
  ConfigNode list(const ConfigNode& node, const ConfigSchema& schema, const std::string& path) {
    if (schema.one && !node.is_list() && !node.is_null())
      return at_place(ConfigNode::list({resolve(node, *schema.element, path)}), node);
    if (!node.is_list()) return wrong(node, path, "a list");
    if (schema.length != 0 && node.items().size() != schema.length)
      error(node, "{} has {} elements, {} are expected", name_of(path), node.items().size(), schema.length);
    ConfigNode out = at_place(ConfigNode::list(), node);
    for (size_t i = 0; i < node.items().size(); ++i)
      out.items().push_back(resolve(node.items()[i], *schema.element, fmt::format("{}[{}]", path, i)));
    return out;
  }
  static std::string below(const std::string& path, std::string_view key) {
    return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
  }
  ConfigNode map(const ConfigNode& node, const ConfigSchema& schema, const std::string& path) {
    if (!node.is_map()) return wrong(node, path, "a map");
    ConfigNode out = at_place(ConfigNode::map(), node);
    for (const auto& [key, value] : node.entries())
      out.entries().emplace_back(key, resolve(value, *schema.element, below(path, key)));
    return out;
  }

  /// `title` names the object in errors, with its type: "optimizer (SGD)".
  ConfigNode object(const ConfigNode& node, const ConfigSchema& schema, const std::string& path,
                    const std::string& title, bool typed = false) {
    std::vector<std::string> names;
    for (const ConfigField& field : schema.fields) names.push_back(field.name);
    ConfigNode out = at_place(ConfigNode::map(), node);
    for (const auto& [key, value] : node.entries()) {
      if (schema.field(key) != nullptr || (typed && key == "type")) continue;
      error(value, "unknown key '{}' in {}{}{}", key, name_of(title), did_you_mean(key, names),
            hint(node, value, typed));
    }
    for (const ConfigField& field : schema.fields) {
      const ConfigNode* given = node.find(field.name);
      if (given != nullptr)
        out.entries().emplace_back(field.name, resolve(*given, field.schema, below(path, field.name)));
      else if (field.fallback)
        out.entries().emplace_back(field.name,
                                   default_of(*field.fallback, field.schema, node, below(path, field.name)));
      else
        error(node, "{} has no '{}'", name_of(title), field.name);
    }
    return out;
  }
  /// The fallback with its own defaults filled in, placed where it would have been written.
  ConfigNode default_of(const ConfigNode& fallback, const ConfigSchema& schema, const ConfigNode& parent,
                        const std::string& path) {
    ConfigNode value = fallback;
    if (!value.place.source) value.place = parent.place;
    return resolve(value, schema, path);
  }
  /// A key from a base file that another type's options were merged over.
  static std::string hint(const ConfigNode& node, const ConfigNode& value, bool typed) {
    const ConfigNode* type = typed ? node.find("type") : nullptr;
    if (type == nullptr || !type->place.source || !value.place.source || *type->place.source == *value.place.source)
      return "";
    if (type->place.source->starts_with("--set")) return "";
    return fmt::format("; it comes from the base: '_delete_: true' beside the type in {} drops what the base says",
                       *type->place.source);
  }
  ConfigNode without_type(const ConfigNode& node, const ConfigSchema& schema, const std::string& path) {
    for (const auto& [key, value] : node.entries())
      if (schema.field(key) == nullptr) {
        error(value, "{} has '{}' but no 'type', which it needs for that", name_of(path), key);
        return node;
      }
    return object(node, schema, path, path);
  }
  ConfigNode variant(const ConfigNode& node, const ConfigSchema& schema, const std::string& path) {
    if (!node.is_map()) return wrong(node, path, "a map with a 'type'");
    std::vector<std::string> names;
    for (const auto& [name, unused] : schema.types) names.push_back(name);
    const ConfigNode* type = node.find("type");
    if (type == nullptr && schema.untyped) return without_type(node, *schema.untyped, path);
    if (type == nullptr || !type->is_scalar()) {
      error(type ? *type : node, "{} needs a 'type', one of {}", name_of(path), join(names, ", "));
      return node;
    }
    const ConfigSchema* chosen = schema.type(type->text());
    if (chosen == nullptr) {
      const std::string near = did_you_mean(type->text(), names);
      error(*type, "{} has the unknown type '{}'{}", name_of(path), type->text(),
            near.empty() ? "; one of " + join(names, ", ") + " is expected" : near);
      return node;
    }
    ConfigNode out = object(node, *chosen, path, fmt::format("{} ({})", name_of(path), type->text()), true);
    out.entries().insert(out.entries().begin(), {"type", at_place(ConfigNode::scalar(type->text(), true), *type)});
    return out;
  }
};

}  // namespace

ConfigNode resolve_config(const ConfigNode& node, const ConfigSchema& schema) {
  Resolver resolver;
  ConfigNode out = resolver.resolve(node, schema, "");
  if (resolver.errors.empty()) return out;
  const size_t more = resolver.errors.size() > kMostErrors ? resolver.errors.size() - kMostErrors : 0;
  resolver.errors.resize(resolver.errors.size() - more);
  if (more > 0) resolver.errors.push_back(fmt::format("and {} more", more));
  fail("{}", join(resolver.errors, "\n"));
}

}  // namespace ingot
