#include "autograd/attrs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace ingot {
namespace {

std::string quote(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string number(double v) {
  std::string s = fmt::format("{}", v);
  if (std::isfinite(v) && s.find_first_of(".e") == std::string::npos) s += ".0";
  return s;
}

/// Reads "name=value, name=value" where a value is true, false, a number, a size, "text" or a [list] of numbers.
class Reader {
 public:
  Reader(std::string_view text, const SymbolValues& symbols) : text_(text), symbols_(symbols) {}

  bool at_end() {
    skip_space();
    return at_ == text_.size();
  }
  bool take(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::string_view word() {
    skip_space();
    const size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) ++at_;
    return text_.substr(begin, at_ - begin);
  }
  AttrValue value() {
    skip_space();
    if (take('"')) return quoted();
    if (take('[')) return list();
    return atom(token());
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  std::string quoted() {
    std::string out;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      out += text_[at_++];
    }
    CHECK(take('"'), "a string is not closed in '{}'", text_);
    return out;
  }
  std::string_view token() {  // up to a comma or bracket outside parentheses
    skip_space();
    const size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != ',' && text_[at_] != ']') ++at_;
    std::string_view out = text_.substr(begin, at_ - begin);
    while (out.ends_with(' ')) out.remove_suffix(1);
    return out;
  }
  AttrValue atom(std::string_view t) const {
    if (t == "true") return true;
    if (t == "false") return false;
    double v = 0;
    const bool looks_real = t.find('.') != std::string_view::npos || t.ends_with("inf") || t.ends_with("nan") ||
                            (t.find('e') != std::string_view::npos && !t.empty() &&
                             std::isdigit(static_cast<unsigned char>(t[t[0] == '-'])));
    if (looks_real)
      if (const auto [end, error] = std::from_chars(t.data(), t.data() + t.size(), v);
          error == std::errc{} && end == t.data() + t.size())
        return v;
    return parse_dim(t, symbols_);
  }
  AttrValue list() {
    std::vector<AttrValue> items;
    while (!take(']')) {
      CHECK(items.empty() || take(','), "a list is not closed in '{}'", text_);
      items.push_back(atom(token()));
    }
    const bool real =
        std::any_of(items.begin(), items.end(), [](const AttrValue& v) { return std::holds_alternative<double>(v); });
    if (real) {
      std::vector<double> out;
      for (const auto& v : items) out.push_back(AttrCodec<double>::set(v));
      return out;
    }
    std::vector<Dim> out;
    for (const auto& v : items) out.push_back(AttrCodec<Dim>::set(v));
    return out;
  }

  std::string_view text_;
  const SymbolValues& symbols_;
  size_t at_ = 0;
};

template <class List, class Print>
std::string list_text(const List& list, const Print& print) {
  std::string out = "[";
  for (size_t i = 0; i < list.size(); ++i) out += (i ? ", " : "") + print(list[i]);
  return out + "]";
}

}  // namespace

std::string to_string(const AttrValue& value) {
  struct Printer {
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(Dim v) const { return v.str(); }
    std::string operator()(double v) const { return number(v); }
    std::string operator()(const std::string& v) const { return quote(v); }
    std::string operator()(const std::vector<Dim>& v) const {
      return list_text(v, [](Dim d) { return d.str(); });
    }
    std::string operator()(const std::vector<double>& v) const { return list_text(v, number); }
  };
  return std::visit(Printer{}, value);
}

std::string to_string(const Attrs& attrs) {
  std::string out;
  if (!attrs) return out;
  for (const auto& f : attrs.type()->fields)
    out += fmt::format("{}{}={}", out.empty() ? "" : ", ", f.name, to_string(attrs.field(f.name)));
  return out;
}

AttrValue Attrs::field(std::string_view name) const {
  for (const auto& f : type_->fields)
    if (f.name == name) return f.get(value_.get());
  fail("there is no attribute '{}'", name);
}

bool Attrs::operator==(const Attrs& other) const {
  if (value_ == other.value_) return true;
  if (type_ != other.type_ || !value_ || !other.value_) return false;
  return std::all_of(type_->fields.begin(), type_->fields.end(),
                     [&](const auto& f) { return f.get(value_.get()) == f.get(other.value_.get()); });
}

Attrs parse_attrs(const AttrsType& type, std::string_view text, const SymbolValues& symbols) {
  auto value = type.make();
  Reader reader(text, symbols);
  bool first = true;
  while (!reader.at_end()) {
    CHECK(first || reader.take(','), "attributes '{}' want commas between them", text);
    first = false;
    const auto name = reader.word();
    const auto f = std::find_if(type.fields.begin(), type.fields.end(), [&](const auto& x) { return x.name == name; });
    CHECK(f != type.fields.end(), "there is no attribute '{}' in '{}'", name, text);
    CHECK(reader.take('='), "attribute '{}' has no value in '{}'", name, text);
    try {
      f->set(value.get(), reader.value());
    } catch (const Error& e) {
      fail("attribute '{}': {}", name, e.what());
    }
  }
  return {type, std::move(value)};
}

Attrs substitute(const Attrs& attrs, const SymbolValues& values) {
  if (!attrs) return attrs;
  std::shared_ptr<void> changed;
  for (const auto& f : attrs.type()->fields) {
    AttrValue value = attrs.field(f.name), before = value;
    if (Dim* dim = std::get_if<Dim>(&value)) *dim = substitute(*dim, values);
    if (auto* dims = std::get_if<std::vector<Dim>>(&value))
      for (Dim& d : *dims) d = substitute(d, values);
    if (value == before) continue;
    if (!changed) changed = attrs.type()->copy(&attrs.get<char>());
    f.set(changed.get(), value);
  }
  return changed ? Attrs(*attrs.type(), std::move(changed)) : attrs;
}

uint64_t AttrCodec<uint64_t>::set(const AttrValue& v) {
  const std::string& text = attr_kind<std::string>(v, "a hexadecimal number");
  uint64_t out = 0;
  const char* end = text.data() + text.size();
  CHECK(text.starts_with("0x") && std::from_chars(text.data() + 2, end, out, 16).ptr == end,
        "'{}' is not a hexadecimal number", text);
  return out;
}

std::vector<double> AttrCodec<std::vector<double>>::set(const AttrValue& v) {
  if (const auto* dims = std::get_if<std::vector<Dim>>(&v)) {
    std::vector<double> out;
    for (const Dim d : *dims) out.push_back(static_cast<double>(d.value()));
    return out;
  }
  return attr_kind<std::vector<double>>(v, "a list of numbers");
}

std::vector<int64_t> numbers_of(const AttrValue& value, size_t count) {
  const auto& dims = attr_kind<std::vector<Dim>>(value, "a list of whole numbers");
  CHECK(count == 0 || dims.size() == count, "{} should have {} numbers", to_string(value), count);
  std::vector<int64_t> out;
  for (const Dim d : dims) out.push_back(d.value());
  return out;
}

void refuse_name(std::string_view name, std::span<const std::string_view> names) {
  fail("'{}' is not one of {}", name, fmt::join(names, ", "));
}

std::span<const std::string_view> enum_names(DType) {
  static const auto kNames = [] {
    std::array<std::string_view, static_cast<size_t>(DType::boolean) + 1> names;
    for (size_t i = 0; i < names.size(); ++i) names[i] = name_of(static_cast<DType>(i));
    return names;
  }();
  return kNames;
}

std::span<const std::string_view> enum_names(Activation) {
  static constexpr std::string_view kNames[] = {"none", "relu", "relu6", "leaky_relu", "elu",         "sigmoid",
                                                "tanh", "silu", "gelu",  "hardswish",  "hardsigmoid", "mish"};
  return kNames;
}

}  // namespace ingot
