#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ingot {

/// "; did you mean 'momentum'?" for the candidate nearest to `name` by edit distance, or "" when none is near.
std::string did_you_mean(std::string_view name, std::span<const std::string> candidates);

std::string join(std::span<const std::string> parts, std::string_view separator);

}  // namespace ingot
