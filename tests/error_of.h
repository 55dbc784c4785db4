#pragma once

#include <string>

#include "ingot/error.h"

namespace ingot {

/// The text of the Error that fn throws; "" where it throws none.
template <class Fn>
std::string error_of(const Fn& fn) {
  try {
    fn();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace ingot
