#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ingot {

/// "; did you mean 'momentum'?" for the candidate nearest to `name` by edit distance, or "" when none is near.
std::string did_you_mean(std::string_view name, std::span<const std::string> candidates);

/// Where two texts first differ: the number of the line, from 1, and what each has there, without blanks in front; none
/// where it has ended.
struct LineDifference {
  int line = 1;
  std::optional<std::string> first, second;
};
std::optional<LineDifference> first_different_line(const std::string& first, const std::string& second);

std::string join(std::span<const std::string> parts, std::string_view separator);

}  // namespace ingot
