#include "train/config_node.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/check.h"

namespace ingot {

std::string ConfigPlace::str() const {
  if (!source) return "config";
  return line > 0 ? fmt::format("{}:{}", *source, line) : *source;
}

ConfigNode ConfigNode::scalar(std::string text, bool quoted) {
  ConfigNode node;
  node.kind_ = Kind::scalar;
  node.text_ = std::move(text);
  node.quoted_ = quoted;
  return node;
}
ConfigNode ConfigNode::list(std::vector<ConfigNode> items) {
  ConfigNode node;
  node.kind_ = Kind::list;
  node.items_ = std::move(items);
  return node;
}
ConfigNode ConfigNode::map(std::vector<Entry> entries) {
  ConfigNode node;
  node.kind_ = Kind::map;
  node.entries_ = std::move(entries);
  return node;
}

const ConfigNode* ConfigNode::find(std::string_view key) const {
  const auto it = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.first == key; });
  return it == entries_.end() ? nullptr : &it->second;
}
ConfigNode* ConfigNode::find(std::string_view key) { return const_cast<ConfigNode*>(std::as_const(*this).find(key)); }
const ConfigNode& ConfigNode::at(std::string_view key) const {
  const ConfigNode* node = find(key);
  CHECK(node != nullptr, "{}: there is no '{}'", place.str(), key);
  return *node;
}
void ConfigNode::set(std::string_view key, ConfigNode value) {
  if (ConfigNode* old = find(key))
    *old = std::move(value);
  else
    entries_.emplace_back(key, std::move(value));
}
void ConfigNode::erase(std::string_view key) {
  std::erase_if(entries_, [&](const Entry& e) { return e.first == key; });
}

std::optional<bool> ConfigNode::to_bool() const {
  if (!is_scalar() || quoted_) return std::nullopt;
  if (text_ == "true" || text_ == "True" || text_ == "TRUE") return true;
  if (text_ == "false" || text_ == "False" || text_ == "FALSE") return false;
  return std::nullopt;
}

namespace {

/// The whole text as a number; a leading + is fine.
template <class T>
std::optional<T> parsed(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<int64_t> ConfigNode::to_int() const {
  return is_scalar() && !quoted_ ? parsed<int64_t>(text_) : std::nullopt;
}

std::optional<double> ConfigNode::to_double() const {
  if (!is_scalar() || quoted_) return std::nullopt;
  if (text_ == ".inf" || text_ == "+.inf") return std::numeric_limits<double>::infinity();
  if (text_ == "-.inf") return -std::numeric_limits<double>::infinity();
  if (text_ == ".nan") return std::numeric_limits<double>::quiet_NaN();
  const auto value = parsed<double>(text_);  // from_chars also takes "inf" and "nan", which in YAML are texts
  return value && std::isfinite(*value) ? value : std::nullopt;
}

namespace {

std::string shown(const ConfigNode& node) {
  switch (node.kind()) {
    case ConfigNode::Kind::null:
      return "nothing";
    case ConfigNode::Kind::list:
      return "a list";
    case ConfigNode::Kind::map:
      return "a map";
    case ConfigNode::Kind::scalar:
      break;
  }
  return fmt::format("{}'{}'", node.quoted() ? "the text " : "", node.text());
}

}  // namespace

bool ConfigNode::as_bool() const {
  const auto value = to_bool();
  CHECK(value, "{}: {} is not true or false", place.str(), shown(*this));
  return *value;
}
int64_t ConfigNode::as_int() const {
  const auto value = to_int();
  CHECK(value, "{}: {} is not a whole number", place.str(), shown(*this));
  return *value;
}
double ConfigNode::as_double() const {
  const auto value = to_double();
  CHECK(value, "{}: {} is not a number", place.str(), shown(*this));
  return *value;
}
const std::string& ConfigNode::as_text() const {
  CHECK(is_scalar(), "{}: {} is not a text", place.str(), shown(*this));
  return text_;
}

}  // namespace ingot
