#pragma once

#include "base/check.h"
#include "ingot/autograd.h"

namespace ingot {

/// Throws Error in the form of an op's errors: "[who] path.of.module: text".
template <class... Args>
[[noreturn]] void refuse(std::string_view who, fmt::format_string<Args...> text, Args&&... args) {
  const std::string path = current_module_path();
  throw Error(
      fmt::format("[{}] {}{}{}", who, path, path.empty() ? "" : ": ", fmt::format(text, std::forward<Args>(args)...)));
}

/// The same where the condition does not hold.
template <class... Args>
void require(bool condition, std::string_view who, fmt::format_string<Args...> text, Args&&... args) {
  if (!condition) [[unlikely]]
    refuse(who, text, std::forward<Args>(args)...);
}

}  // namespace ingot
