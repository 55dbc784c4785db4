#pragma once

#include <fmt/core.h>

#include <string>

#include "ingot/error.h"

namespace ingot {

template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> text, Args&&... args) {
  throw Error(fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace ingot

/// Refuses bad input: CHECK(n > 0, "batch_size is {}, it must be positive", n) throws ingot::Error.
#define CHECK(condition, ...)      \
  do {                             \
    if (!(condition)) [[unlikely]] \
      ::ingot::fail(__VA_ARGS__);  \
  } while (0)

/// An internal invariant; checked in debug builds only.
#ifdef NDEBUG
#define ASSERT(condition) ((void)0)
#else
#define ASSERT(condition) CHECK(condition, "internal: {} does not hold ({}:{})", #condition, __FILE__, __LINE__)
#endif
