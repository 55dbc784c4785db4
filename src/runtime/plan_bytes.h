#pragma once

#include <span>
#include <string>

#include "runtime/plan.h"

namespace ingot {

/// The plan as bytes, for engine files. Sizes and attributes are kept in their text form.
std::string to_bytes(const Plan& plan);
/// Throws Error where the bytes are no plan: they end too early or go on, name an unknown op, attribute or dtype. What
/// it says is not checked: validate() does.
Plan plan_from_bytes(std::span<const std::byte> bytes);

}  // namespace ingot
