#include "train/config.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "base/file.h"
#include "base/text.h"

namespace ingot {
namespace {

constexpr size_t kMostBases = 16;  // one on top of the other

// ---- Bases

/// `over` wins; maps are merged key by key.
void merge(ConfigNode& base, ConfigNode over) {
  const ConfigNode* drop = over.is_map() ? over.find("_delete_") : nullptr;
  if (!base.is_map() || !over.is_map() || (drop != nullptr && drop->as_bool())) {
    base = std::move(over);
    return;
  }
  base.place = over.place;
  for (auto& [key, value] : over.entries()) {
    if (ConfigNode* old = base.find(key))
      merge(*old, std::move(value));
    else
      base.entries().emplace_back(key, std::move(value));
  }
}

/// Takes the marks out that merging has obeyed.
void drop_marks(ConfigNode& node) {
  if (const ConfigNode* mark = node.find("_delete_")) mark->as_bool(), node.erase("_delete_");
  for (auto& [key, value] : node.entries()) drop_marks(value);
  for (ConfigNode& item : node.items()) drop_marks(item);
}

/// Which of two bases would win nobody can see from the file that names them.
void check_apart(const ConfigNode& bases, const ConfigNode& next, const ConfigPlace& place) {
  for (const auto& [key, value] : next.entries())
    if (const ConfigNode* other = bases.find(key))
      fail("{}: '{}' stands in two bases, {} and {}", place.str(), key, other->place.str(), value.place.str());
}

std::vector<ConfigNode> base_names(const ConfigNode& node) {
  const ConfigNode* bases = node.find("_base_");
  if (bases == nullptr) return {};
  return bases->is_list() ? bases->items() : std::vector<ConfigNode>{*bases};
}

ConfigNode load_with_bases(const std::filesystem::path& path, const std::optional<Environment>& environment,
                           std::vector<std::filesystem::path>& above) {
  std::error_code refused;  // a name too long or a folder closed to us: reading the file says so
  auto canonical = std::filesystem::weakly_canonical(path, refused);
  if (refused) canonical = path.lexically_normal();
  CHECK(std::find(above.begin(), above.end(), canonical) == above.end(), "{}: is its own _base_", path.string());
  CHECK(above.size() < kMostBases, "{}: more than {} files of _base_ on top of each other", path.string(), kMostBases);
  above.push_back(canonical);
  ConfigNode own = parse_yaml(read_file(path), path.string(), environment);
  if (own.is_null()) own = ConfigNode::map(), own.place = {std::make_shared<const std::string>(path.string()), 1};
  CHECK(own.is_map(), "{}: a map of settings is expected", own.place.str());
  ConfigNode merged = ConfigNode::map();
  merged.place = own.place;
  for (const ConfigNode& name : base_names(own)) {
    const auto file = path.parent_path() / name.as_text();
    CHECK(std::filesystem::is_regular_file(file, refused), "{}: the base {} is not there", name.place.str(),
          file.string());
    ConfigNode base = load_with_bases(file, environment, above);
    check_apart(merged, base, name.place);
    merge(merged, std::move(base));
  }
  own.erase("_base_");
  merge(merged, std::move(own));
  above.pop_back();
  return merged;
}

// ---- Settings

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts;
  while (true) {
    const size_t dot = path.find('.');
    parts.emplace_back(path.substr(0, dot));
    if (dot == path.npos) return parts;
    path.remove_prefix(dot + 1);
  }
}

/// The schema one step below, or null where it has none: resolving will say what is wrong.
const ConfigSchema* below(const ConfigSchema* schema, const ConfigNode& node, const std::string& key) {
  if (schema == nullptr) return nullptr;
  if (schema->kind == ConfigSchema::Kind::list && schema->one && node.is_map()) schema = schema->element.get();
  if (schema->kind == ConfigSchema::Kind::list || schema->kind == ConfigSchema::Kind::map) return schema->element.get();
  if (schema->kind == ConfigSchema::Kind::variant) {
    static const ConfigSchema kText = ConfigSchema::text();
    if (key == "type") return &kText;
    const ConfigNode* type = node.find("type");
    schema = type && type->is_scalar() ? schema->type(type->text()) : nullptr;
  }
  const ConfigField* field = schema ? schema->field(key) : nullptr;
  return field ? &field->schema : nullptr;
}

class Setting {
 public:
  explicit Setting(const std::string& text) : place_{std::make_shared<const std::string>("--set " + text), 0} {
    const size_t equals = text.find('=');
    CHECK(equals != text.npos && equals > 0, "{}: key=value is expected", place_.str());
    path_ = text.substr(0, equals);
    value_ = text.substr(equals + 1);
  }

  void apply(ConfigNode& root, const ConfigSchema& schema, const std::optional<Environment>& environment) const {
    ConfigNode* node = &root;
    const ConfigSchema* at = &schema;
    for (const std::string& key : split(path_)) {
      at = below(at, *node, key);
      node = &step(*node, key);
    }
    *node = value(at, environment);
    mark(*node);
  }

 private:
  /// The child of this name, made where it is not there.
  ConfigNode& step(ConfigNode& node, const std::string& key) const {
    CHECK(!key.empty(), "{}: an empty name between the dots", place_.str());
    if (node.is_list()) return element(node, key);
    if (node.is_null()) node = ConfigNode::map(), node.place = place_;
    CHECK(node.is_map(), "{}: '{}' is below a value that is neither a map nor a list", place_.str(), key);
    if (node.find(key) == nullptr) {
      ConfigNode fresh;
      fresh.place = place_;
      node.set(key, std::move(fresh));
    }
    return *node.find(key);
  }
  ConfigNode& element(ConfigNode& list, const std::string& key) const {
    size_t index = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
    CHECK(error == std::errc{} && end == key.data() + key.size(), "{}: '{}' is no index of a list", place_.str(), key);
    CHECK(index <= list.items().size(), "{}: index {} is outside the list, which has {} elements", place_.str(), index,
          list.items().size());
    if (index == list.items().size()) list.items().emplace_back();
    return list.items()[index];
  }
  ConfigNode value(const ConfigSchema* schema, const std::optional<Environment>& environment) const {
    const bool text =
        schema && (schema->kind == ConfigSchema::Kind::text || schema->kind == ConfigSchema::Kind::choice);
    if (text && !(schema->nullable && value_ == "null")) return ConfigNode::scalar(value_, true);
    return parse_yaml(value_, place_.str(), environment);
  }
  void mark(ConfigNode& node) const {
    node.place = place_;
    for (auto& [key, value] : node.entries()) mark(value);
    for (ConfigNode& item : node.items()) mark(item);
  }

  ConfigPlace place_;
  std::string path_, value_;
};

}  // namespace

ConfigNode load_config(const std::filesystem::path& path, const ConfigSchema& schema, const ConfigOptions& options) {
  std::vector<std::filesystem::path> above;
  ConfigNode root = load_with_bases(path, options.environment, above);
  drop_marks(root);
  for (const std::string& text : options.set) Setting(text).apply(root, schema, options.environment);
  return resolve_config(root, schema);
}

}  // namespace ingot
