#pragma once

#include <algorithm>
#include <cstdlib>

namespace ingot::test {

/// How many random cases a test takes: `usual`, times the environment variable INGOT_CASES. scripts/check.sh asks for
/// more of them.
inline int cases(int usual) {
  static const char* const factor = std::getenv("INGOT_CASES");
  return factor == nullptr ? usual : std::max(1, static_cast<int>(usual * std::atof(factor)));
}

}  // namespace ingot::test
