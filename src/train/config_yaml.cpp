#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <sstream>
#include <utility>

#include "base/check.h"
#include "train/config_node.h"

namespace ingot {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 20;
constexpr size_t kMaxLevels = 64;
constexpr size_t kMaxNodes = 100'000;

// ---- {{env:NAME:default}}

/// Places of environment variables in the text. Before parsing each becomes a word that means nothing to YAML, so that
/// a variable's content can never change the structure.
class Placeholders {
 public:
  explicit Placeholders(const std::optional<Environment>& environment) : environment_(environment) {}

  std::string take_out(std::string_view text) {
    std::string out;
    while (true) {
      const size_t begin = text.find(kOpening), end = begin == text.npos ? text.npos : text.find("}}", begin);
      if (end == text.npos) return out.append(text);
      const auto inside = text.substr(begin + kOpening.size(), end - begin - kOpening.size());
      if (inside.find('\n') != inside.npos) {
        out.append(text.substr(0, begin + kOpening.size()));
        text.remove_prefix(begin + kOpening.size());
        continue;
      }
      out.append(text.substr(0, begin)).append(word(found_.size()));
      found_.emplace_back(inside);
      text.remove_prefix(end + 2);
    }
  }

  /// Puts the values in; `whole` says whether the text was one placeholder and nothing else.
  std::string put_in(std::string text, const ConfigPlace& place, bool& whole) const {
    whole = false;
    for (size_t at = 0; (at = text.find(kWord, at)) != text.npos;) {
      const size_t end = text.find(kWordEnd, at + kWord.size());
      const size_t length = end + kWordEnd.size() - at;
      const size_t number = std::strtoull(text.c_str() + at + kWord.size(), nullptr, 10);
      if (end == text.npos || number >= found_.size() || text.substr(at, length) != word(number)) {
        at += kWord.size();  // somebody's own text
        continue;
      }
      whole = at == 0 && length == text.size();
      const std::string value = value_of(found_[number], place);
      text.replace(at, length, value);
      at += value.size();
    }
    return text;
  }

 private:
  static constexpr std::string_view kOpening = "{{env:", kWord = "ingot-env-", kWordEnd = "-vne";
  static std::string word(size_t number) { return fmt::format("{}{}{}", kWord, number, kWordEnd); }

  std::string value_of(const std::string& inside, const ConfigPlace& place) const {
    const size_t colon = inside.find(':');
    const std::string name = inside.substr(0, colon);
    CHECK(!name.empty() &&
              std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || c == '_'; }),
          "{}: '{{{{env:{}}}}}' names no variable; {{{{env:NAME:default}}}} is expected", place.str(), inside);
    if (environment_) {
      if (const auto it = environment_->find(name); it != environment_->end()) return it->second;
    } else if (const char* value = std::getenv(name.c_str())) {
      return value;
    }
    CHECK(colon != inside.npos, "{}: the environment variable {} is not set, and {{{{env:{}}}}} gives no default",
          place.str(), name, name);
    return inside.substr(colon + 1);
  }

  const std::optional<Environment>& environment_;
  std::vector<std::string> found_;
};

// ---- YAML events to a tree

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::shared_ptr<const std::string> source, const Placeholders& placeholders)
      : source_(std::move(source)), placeholders_(placeholders) {}

  ConfigNode root;

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add(ConfigNode(), mark, anchor); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto it = anchors_.find(anchor);
    CHECK(it != anchors_.end(), "{}: an alias stands inside what it names", place(mark).str());
    count(nodes_of(it->second), mark);
    add(it->second, mark, 0);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_tag(tag, mark);
    bool whole = false;
    std::string text = placeholders_.put_in(value, place(mark), whole);
    const bool quoted = tag == "!" && !whole;
    add(whole && is_null_text(text) ? ConfigNode() : ConfigNode::scalar(std::move(text), quoted), mark, anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(ConfigNode::list(), mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(ConfigNode::map(), mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Level {
    ConfigNode node;
    YAML::anchor_t anchor;
    std::optional<std::string> key = {};  // of a map, waiting for its value
    ConfigPlace key_place = {};
    std::map<std::string, int, std::less<>> lines = {};  // of the keys so far
  };

  static bool is_null_text(std::string_view text) {
    return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
  }
  static size_t nodes_of(const ConfigNode& node) {
    size_t total = 1;
    for (const auto& item : node.items()) total += nodes_of(item);
    for (const auto& [key, value] : node.entries()) total += nodes_of(value);
    return total;
  }
  ConfigPlace place(const YAML::Mark& mark) const { return {source_, mark.line + 1}; }
  void count(size_t nodes, const YAML::Mark& mark) {
    nodes_ += nodes;
    CHECK(nodes_ <= kMaxNodes, "{}: more than {} values, aliases counted as copies", place(mark).str(), kMaxNodes);
  }
  void refuse_tag(const std::string& tag, const YAML::Mark& mark) const {
    CHECK(tag.empty() || tag == "?" || tag == "!", "{}: the tag '{}' is not supported", place(mark).str(), tag);
  }
  void open(ConfigNode node, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    refuse_tag(tag, mark);
    count(1, mark);
    CHECK(levels_.size() < kMaxLevels, "{}: nested deeper than {} levels", place(mark).str(), kMaxLevels);
    node.place = place(mark);
    levels_.push_back({.node = std::move(node), .anchor = anchor});
  }
  void close() {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    if (level.anchor != 0) anchors_[level.anchor] = level.node;
    attach(std::move(level.node));
  }
  void add(ConfigNode node, const YAML::Mark& mark, YAML::anchor_t anchor) {
    count(1, mark);
    node.place = place(mark);
    if (anchor != 0) anchors_[anchor] = node;
    attach(std::move(node));
  }
  void attach(ConfigNode node) {
    if (levels_.empty()) return void(root = std::move(node));
    Level& level = levels_.back();
    if (level.node.is_list()) return level.node.items().push_back(std::move(node));
    if (!level.key) {
      CHECK(node.is_scalar(), "{}: a key must be a name", node.place.str());
      const auto [first, fresh] = level.lines.emplace(node.text(), node.place.line);
      CHECK(fresh, "{}: key '{}' occurs twice, first in line {}", node.place.str(), node.text(), first->second);
      level.key = node.text();
      level.key_place = node.place;
      return;
    }
    node.place = level.key_place;  // a block starts in the line after its key: people look for the key
    level.node.entries().emplace_back(std::move(*level.key), std::move(node));
    level.key.reset();
  }

  std::shared_ptr<const std::string> source_;
  const Placeholders& placeholders_;
  std::vector<Level> levels_;
  std::map<YAML::anchor_t, ConfigNode> anchors_;
  size_t nodes_ = 0;
};

// ---- A tree to YAML

/// Whether a text can stand without quotes and is then read as the same text.
bool is_plain(std::string_view text) {
  constexpr std::string_view kMeaning[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"};
  if (text.empty() || text.size() > 200) return false;
  const auto ordinary = [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '/' || c == '.' || c == '-'; };
  if (!std::isalpha(static_cast<unsigned char>(text[0])) && text[0] != '_' && text[0] != '/') return false;
  if (!std::all_of(text.begin(), text.end(), ordinary)) return false;
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::find(std::begin(kMeaning), std::end(kMeaning), lower) == std::end(kMeaning);
}

std::string quoted_text(std::string_view text) {
  std::string out = "\"";
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '"' || c == '\\')
      out += {'\\', static_cast<char>(c)};
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (c < 0x20 || c == 0x7f || text.substr(i).starts_with("{{env:"))
      out += fmt::format("\\x{:02x}", c);
    else
      out += static_cast<char>(c);
  }
  return out + "\"";
}

std::string scalar_text(const ConfigNode& node) {
  const bool number = node.to_bool() || node.to_double();
  if (number || is_plain(node.text())) return node.text();
  return quoted_text(node.text());
}

std::string key_text(std::string_view key) { return is_plain(key) ? std::string(key) : quoted_text(key); }

/// One line for what has no structure below it: "nothing", a scalar, a list of scalars; nothing where it needs a block.
std::optional<std::string> in_line(const ConfigNode& node) {
  if (node.is_null()) return "null";
  if (node.is_scalar()) return scalar_text(node);
  if (node.is_map()) return node.entries().empty() ? std::optional<std::string>("{}") : std::nullopt;
  std::string out = "[";
  for (const ConfigNode& item : node.items()) {
    if (item.is_list() || item.is_map()) return std::nullopt;
    out += (out.size() > 1 ? ", " : "") + *in_line(item);
  }
  return out + "]";
}

void write_block(const ConfigNode& node, size_t indent, bool after_dash, std::string& out) {
  bool first = after_dash;  // whose line the first entry shares
  const auto start = [&] { out.append(std::exchange(first, false) ? 0 : indent, ' '); };
  for (const auto& [key, value] : node.entries()) {
    start();
    out += key_text(key) + ":";
    if (const auto line = in_line(value)) {
      out += " " + *line + "\n";
    } else {
      out += "\n";
      write_block(value, indent + 2, false, out);
    }
  }
  for (const ConfigNode& item : node.items()) {
    start();
    out += "- ";
    if (const auto line = in_line(item))
      out += *line + "\n";
    else
      write_block(item, indent + 2, true, out);
  }
}

}  // namespace

ConfigNode parse_yaml(std::string_view text, const std::string& source, const std::optional<Environment>& environment) {
  CHECK(text.size() <= kMaxBytes, "{}: {} bytes, at most {} are allowed", source, text.size(), kMaxBytes);
  Placeholders placeholders(environment);
  std::istringstream stream(placeholders.take_out(text));
  TreeBuilder builder(std::make_shared<const std::string>(source), placeholders);
  try {
    YAML::Parser parser(stream);
    parser.HandleNextDocument(builder);
    ConfigNode root = std::move(builder.root);
    if (!root.place.source) root.place = {std::make_shared<const std::string>(source), 1};
    CHECK(!parser.HandleNextDocument(builder), "{}: holds more than one document", source);
    return root;
  } catch (const YAML::Exception& error) {
    fail("{}:{}: {}", source, error.mark.line + 1, error.msg);
  }
}

std::string to_yaml(const ConfigNode& node) {
  if (const auto line = in_line(node)) return *line + "\n";
  std::string out;
  write_block(node, 0, false, out);
  return out;
}

}  // namespace ingot
