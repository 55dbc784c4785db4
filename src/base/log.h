#pragma once

#include <fmt/core.h>

#include <string_view>

namespace ingot {

/// Messages for the person at the terminal go to stderr; results go to stdout and never through here.
void log_line(std::string_view level, std::string_view text);

template <class... Args>
void log_info(fmt::format_string<Args...> text, Args&&... args) {
  log_line("info", fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> text, Args&&... args) {
  log_line("warning", fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace ingot
