#pragma once

#include <string>
#include <string_view>

#include "ir/node.h"

namespace ingot {

/// A name as the text form writes it: bare where it is made of letters, digits and _ . / - only, else quoted.
std::string name_text(std::string_view name);
bool is_bare_name_char(char c);
/// "f32(0.5)", "i64(3)", "bool(true)".
std::string literal_text(const Tensor& scalar);
/// "%conv2d_1", "@fc.weight", "f32(0.5)", "_".
std::string operand_text(const Value* value);

}  // namespace ingot
