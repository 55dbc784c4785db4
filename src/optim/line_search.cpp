#include "optim/line_search.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

namespace ingot {
namespace {

constexpr double kDecrease = 1e-4, kCurvature = 0.9, kLeastChange = 1e-9;
constexpr int kMostLooks = 25;

/// The least point of the cubic through two points with their slopes (Nocedal & Wright 2006, equation 3.59), kept
/// within bounds; their middle where the cubic has none.
double least_of_cubic(const LinePoint& a, const LinePoint& b, double low, double high) {
  const LinePoint &left = a.t <= b.t ? a : b, &right = a.t <= b.t ? b : a;
  const double d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.t - b.t);
  const double square = d1 * d1 - a.slope * b.slope;
  if (!(square >= 0)) return (low + high) / 2;
  const double d2 = std::sqrt(square);
  const double share = (right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2);
  return std::min(std::max(right.t - (right.t - left.t) * share, low), high);
}

class Search {
 public:
  Search(const std::function<LinePoint(double)>& look, const LinePoint& start) : look_(look), start_(start) {}

  LinePoint run(double t, double largest) {
    if (const auto found = enclose(t)) return *found;
    while (looks_ < kMostLooks && std::abs(ends_[1].t - ends_[0].t) * largest >= kLeastChange)
      if (const auto found = narrow()) return *found;
    return std::move(ends_[low_]);
  }

 private:
  bool fell_too_little(const LinePoint& p) const { return p.value > start_.value + kDecrease * p.t * start_.slope; }
  bool is_flat(const LinePoint& p) const { return std::abs(p.slope) <= -kCurvature * start_.slope; }

  /// Steps out until a good point lies between two, or is found.
  std::optional<LinePoint> enclose(double t) {
    LinePoint before = start_, now = look_(t);
    for (;;) {
      const bool rose = fell_too_little(now) || (looks_ > 1 && now.value >= before.value);
      if (!rose && is_flat(now)) return now;
      if (rose || now.slope >= 0) break;
      const double next = least_of_cubic(before, now, now.t + 0.01 * (now.t - before.t), now.t * 10);
      before = std::move(now);
      now = look_(next);
      if (++looks_ == kMostLooks) {
        before = start_;
        break;
      }
    }
    set_ends(std::move(before), std::move(now));
    return std::nullopt;
  }

  void set_ends(LinePoint first, LinePoint second) {
    ends_ = {std::move(first), std::move(second)};
    order();
  }
  void order() { low_ = ends_[0].value <= ends_[1].value ? 0 : 1; }

  /// Where to look next: not too near an end twice in a row.
  double next_between() {
    const double left = std::min(ends_[0].t, ends_[1].t), right = std::max(ends_[0].t, ends_[1].t);
    const double t = least_of_cubic(ends_[0], ends_[1], left, right), margin = 0.1 * (right - left);
    if (std::min(right - t, t - left) >= margin) {
      slow_ = false;
      return t;
    }
    if (!slow_ && t < right && t > left) {
      slow_ = true;
      return t;
    }
    slow_ = false;
    return std::abs(t - right) < std::abs(t - left) ? right - margin : left + margin;
  }

  /// Replaces one end of the bracket, or finds the point.
  std::optional<LinePoint> narrow() {
    LinePoint now = look_(next_between());
    ++looks_;
    LinePoint &low = ends_[low_], &high = ends_[1 - low_];
    if (fell_too_little(now) || now.value >= low.value) {
      high = std::move(now);
      order();
      return std::nullopt;
    }
    if (is_flat(now)) return now;
    if (now.slope * (high.t - low.t) >= 0) high = std::move(low);
    low = std::move(now);
    return std::nullopt;
  }

  const std::function<LinePoint(double)>& look_;
  const LinePoint& start_;
  std::array<LinePoint, 2> ends_;
  size_t low_ = 0;  // the end of the lower value
  int looks_ = 0;   // besides the first
  bool slow_ = false;
};

}  // namespace

LinePoint strong_wolfe(const std::function<LinePoint(double t)>& look, const LinePoint& start, double t,
                       double largest) {
  return Search(look, start).run(t, largest);
}

}  // namespace ingot
