#pragma once

#include <string>

#include "ingot/geometry.h"
#include "ingot/ops.h"

namespace ingot {

/// Values as Python prints them, for extra_repr: 1.0, 1e-05; True; (3, 3) or 3 where both are the same.
std::string python_text(double value);
std::string python_text(bool value);
inline std::string python_text(int64_t value) { return std::to_string(value); }
/// (3,): a tuple of one.
inline std::string python_tuple(int64_t value) { return "(" + std::to_string(value) + ",)"; }
std::string python_text(Pair pair);
std::string python_tuple(Pair pair);
std::string python_text(const Pads& pads);
std::string python_tuple(const Pads& pads);
std::string python_text(Triple sizes);
std::string python_tuple(Triple sizes);
std::string_view name_of(PadMode mode);

/// The text with two spaces in front of every line but the first.
std::string indented(std::string text);

/// A name below a prefix: "layer1.0".
std::string dotted(const std::string& prefix, const std::string& name);

}  // namespace ingot
