#pragma once

#include <stdexcept>
#include <string>

namespace ingot {

/// What every refusal throws: one line or a few that say what was wrong, where, and what was expected.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace ingot
