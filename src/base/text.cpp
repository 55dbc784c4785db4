#include "base/text.h"

#include <sstream>

#include <algorithm>
#include <numeric>
#include <utility>

#include <fmt/format.h>

namespace ingot {
namespace {

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string did_you_mean(std::string_view name, std::span<const std::string> candidates) {
  const std::string* best = nullptr;
  size_t least = std::max<size_t>(2, name.size() / 3) + 1;
  for (const auto& candidate : candidates)
    if (const size_t d = edit_distance(name, candidate); d < least) least = d, best = &candidate;
  return best ? fmt::format("; did you mean '{}'?", *best) : "";
}

std::optional<LineDifference> first_different_line(const std::string& first, const std::string& second) {
  std::istringstream a(first), b(second);
  const auto next = [](std::istringstream& lines) {
    std::string line;
    return std::getline(lines, line) ? std::optional(line) : std::nullopt;
  };
  const auto text = [](const std::optional<std::string>& line) {
    return line ? std::optional(line->substr(std::min(line->size(), line->find_first_not_of(' ')))) : std::nullopt;
  };
  for (int number = 1;; ++number) {
    const auto mine = next(a), other = next(b);
    if (mine != other) return LineDifference{number, text(mine), text(other)};
    if (!mine) return std::nullopt;
  }
}

std::string join(std::span<const std::string> parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts.begin(), parts.end(), separator));
}

}  // namespace ingot
