#pragma once

#include "autograd/op_def.h"
#include "ingot/ops.h"

namespace ingot {

/// Every op by name, for the text form, engine files and the op tests; nullptr where there is none.
const OpDef* find_op(std::string_view name);
std::span<const OpDef* const> all_ops();

}  // namespace ingot
