#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

// What verbs print: results to stdout, messages to stderr (base/log.h).
namespace ingot::cli {

/// Writes to stdout. Throws Error where that fails (a full disk, a closed pipe).
void write_out(std::string_view text);

template <class... Args>
void print(fmt::format_string<Args...> text, Args&&... args) {
  write_out(fmt::format(text, std::forward<Args>(args)...));
}

/// Columns, the first aligned left and the others right, two blanks between them.
std::string table(const std::vector<std::vector<std::string>>& rows);

/// Whether a person watches the stream, so that lines may be redrawn. Nothing is ever coloured, so NO_COLOR holds.
bool is_terminal(std::FILE* stream);

/// "1:07", "2:03:15".
std::string clock_text(double seconds);

/// One line of stderr that is drawn over and over.
class StatusLine {
 public:
  ~StatusLine() { clear(); }
  void draw(const std::string& text);
  void clear();

 private:
  bool drawn_ = false;
};

}  // namespace ingot::cli
