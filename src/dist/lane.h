#pragma once

namespace ingot {

/// Threads of a rank that wait for others by themselves: the one that trains, and the one that sums gradients.
inline constexpr int kLanes = 2;
int current_lane();
void set_lane(int lane);

}  // namespace ingot
