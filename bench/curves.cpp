#include "curves.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace ingot {

double mean_at(const std::vector<Curve>& curves, size_t epoch, Field field) {
  double sum = 0;
  for (const Curve& curve : curves) sum += curve.at(epoch).*field;
  return sum / static_cast<double>(curves.size());
}

std::string at_the_end(const std::vector<Curve>& curves, Field field, double scale, int digits) {
  double low = INFINITY, high = -INFINITY;
  for (const Curve& curve : curves) {
    low = std::min(low, scale * (curve.back().*field));
    high = std::max(high, scale * (curve.back().*field));
  }
  const double mean = scale * mean_at(curves, curves.front().size() - 1, field);
  return fmt::format("{:.{}f} ({:.{}f} to {:.{}f})", mean, digits, low, digits, high, digits);
}

html::Series series(const std::string& name, const std::vector<Curve>& curves, Field field, double scale) {
  html::Series out{.name = name, .points = {}};
  for (size_t e = 0; e < curves.front().size(); ++e)
    out.points.emplace_back(static_cast<double>(e + 1), scale * mean_at(curves, e, field));
  return out;
}

}  // namespace ingot
