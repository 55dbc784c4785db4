#pragma once

#include <fmt/format.h>

#include <charconv>
#include <string>
#include <string_view>

#include "base/check.h"

namespace ingot {

/// Walks over text and knows its line. Every refusal says where.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  /// About what was read last.
  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) const {
    fail("line {}: {}", read_line_, fmt::format(text, std::forward<Args>(args)...));
  }
  /// What `work` throws gets the line in front.
  template <class Work>
  auto at_line(const Work& work) const {
    try {
      return work();
    } catch (const Error& e) {
      refuse("{}", e.what());
    }
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r' || text_[at_] == '\n'))
      step();
  }
  bool at_end() {
    skip_space();
    return at_ == text_.size();
  }
  bool take(std::string_view token) {
    skip_space();
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    read_line_ = line_;
    return true;
  }
  void expect(std::string_view token) {
    if (!take(token)) refuse_ahead(fmt::format("'{}'", token));
  }
  /// The longest run of characters that `belongs` accepts; refuses an empty one.
  std::string_view run(std::string_view what, bool (*belongs)(char)) {
    const auto found = run_or_nothing(belongs);
    if (found.empty()) refuse_ahead(what);
    return found;
  }
  std::string_view run_or_nothing(bool (*belongs)(char)) {
    skip_space();
    const size_t begin = at_;
    while (at_ < text_.size() && belongs(text_[at_])) ++at_;
    if (at_ > begin) read_line_ = line_;
    return text_.substr(begin, at_ - begin);
  }
  /// Up to the first of `stops` outside quotes, which is not taken.
  std::string_view until(std::string_view stops) {
    skip_space();
    read_line_ = line_;
    const size_t begin = at_;
    for (bool quoted = false; at_ < text_.size(); step()) {
      const char c = text_[at_];
      if (quoted && c == '\\' && at_ + 1 < text_.size())
        step();
      else if (c == '"')
        quoted = !quoted;
      else if (!quoted && stops.find(c) != std::string_view::npos)
        return text_.substr(begin, at_ - begin);
    }
    refuse("the text ends where one of '{}' is expected", stops);
  }
  /// The rest of a quoted string whose opening quote was taken.
  std::string quoted() {
    std::string out;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      out += text_[at_];
      step();
    }
    if (at_ == text_.size()) refuse("a quoted name is not closed");
    ++at_;
    return out;
  }
  template <class T>
  T number(std::string_view text) const {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty())
      refuse("'{}' is not a number that fits", text);
    return value;
  }

 private:
  void step() { line_ += text_[at_++] == '\n'; }
  [[noreturn]] void refuse_ahead(std::string_view wanted) const {
    fail("line {}: {} is expected where '{}' stands", line_, wanted, ahead());
  }
  std::string_view ahead() const {
    constexpr size_t kShown = 20;
    const auto rest = text_.substr(at_, kShown);
    return rest.empty() ? "the end of the text" : rest.substr(0, rest.find('\n'));
  }

  std::string_view text_;
  size_t at_ = 0;
  int line_ = 1, read_line_ = 1;  // here, and where the last token ended
};

}  // namespace ingot
