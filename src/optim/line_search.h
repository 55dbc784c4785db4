#pragma once

#include <functional>
#include <vector>

namespace ingot {

/// A point along a line: how far, the value there, its slope along the line and its gradient.
struct LinePoint {
  double t = 0, value = 0, slope = 0;
  std::vector<double> grad;
};

/// Where the line's function has fallen far enough and is flat enough (the strong Wolfe conditions with c1 = 1e-4 and
/// c2 = 0.9), by steps that grow until such a point is enclosed and then by cubic interpolation: Nocedal & Wright 2006,
/// algorithms 3.5 and 3.6, with PyTorch's bounds. The best point found, where 25 looks did not suffice.
/// `largest` is the direction's largest element: a bracket where no parameter differs by 1e-9 is a point.
LinePoint strong_wolfe(const std::function<LinePoint(double t)>& look, const LinePoint& start, double t,
                       double largest);

}  // namespace ingot
