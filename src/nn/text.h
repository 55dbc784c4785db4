#pragma once

#include <string>

#include "ingot/geometry.h"

namespace ingot {

/// Values as Python prints them, for extra_repr: 1.0, 1e-05; True; (3, 3) or 3 where both are the same.
std::string python_text(double value);
std::string python_text(bool value);
std::string python_text(Pair pair);
std::string python_tuple(Pair pair);
std::string python_text(const Pads& pads);
std::string python_tuple(const Pads& pads);

/// The text with two spaces in front of every line but the first.
std::string indented(std::string text);

/// A name below a prefix: "layer1.0".
std::string dotted(const std::string& prefix, const std::string& name);

}  // namespace ingot
