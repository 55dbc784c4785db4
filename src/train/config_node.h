#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ingot {

/// Where a piece of configuration was written: "configs/my.yaml:14", "--set optimizer.lr=0.1".
struct ConfigPlace {
  std::shared_ptr<const std::string> source;
  int line = 0;  // from 1; 0 where there are no lines
  std::string str() const;
};

/// One node of a configuration: nothing, a scalar's text, a list, or a map in the order of the file. What type a scalar
/// has is for the schema to say; the text is kept as it was written.
class ConfigNode {
 public:
  enum class Kind : uint8_t { null, scalar, list, map };
  using Entry = std::pair<std::string, ConfigNode>;

  ConfigNode() = default;
  static ConfigNode scalar(std::string text, bool quoted = false);
  static ConfigNode list(std::vector<ConfigNode> items = {});
  static ConfigNode map(std::vector<Entry> entries = {});

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::null; }
  bool is_scalar() const { return kind_ == Kind::scalar; }
  bool is_list() const { return kind_ == Kind::list; }
  bool is_map() const { return kind_ == Kind::map; }

  const std::string& text() const { return text_; }  // of a scalar
  bool quoted() const { return quoted_; }            // then it is a text, whatever it looks like
  std::vector<ConfigNode>& items() { return items_; }
  const std::vector<ConfigNode>& items() const { return items_; }
  std::vector<Entry>& entries() { return entries_; }
  const std::vector<Entry>& entries() const { return entries_; }

  /// The value of a key of a map, or null.
  const ConfigNode* find(std::string_view key) const;
  ConfigNode* find(std::string_view key);
  /// The same; throws Error with the place where the key is missing.
  const ConfigNode& at(std::string_view key) const;
  /// Sets a key, at the end of the map where it is new.
  void set(std::string_view key, ConfigNode value);
  void erase(std::string_view key);

  /// The scalar as a value. Throws Error with the place: "configs/my.yaml:9: 'fast' is not a number".
  bool as_bool() const;
  int64_t as_int() const;
  double as_double() const;
  const std::string& as_text() const;
  /// The same without an error.
  std::optional<bool> to_bool() const;
  std::optional<int64_t> to_int() const;
  std::optional<double> to_double() const;

  ConfigPlace place;

 private:
  Kind kind_ = Kind::null;
  bool quoted_ = false;
  std::string text_;
  std::vector<ConfigNode> items_;
  std::vector<Entry> entries_;
};

/// Looks up environment variables; tests give their own.
using Environment = std::map<std::string, std::string>;

/// Parses YAML. `{{env:NAME:default}}` becomes the variable NAME or the default, inside quotes or out; without a
/// default the variable must be set. Throws Error with source and line for what is not YAML, keys that occur twice or
/// are no scalars, explicit tags, a second document, more than 1 MiB, 64 levels or 100,000 nodes (aliases counted as
/// copies). `environment`: none for the process's own.
ConfigNode parse_yaml(std::string_view text, const std::string& source,
                      const std::optional<Environment>& environment = {});

/// YAML that parse_yaml reads back to the same tree; texts are quoted where they would look like something else.
std::string to_yaml(const ConfigNode& node);

}  // namespace ingot
