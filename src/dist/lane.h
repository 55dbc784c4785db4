#pragma once

#include <atomic>

namespace ingot {

/// Threads of a rank that wait for others by themselves: the one that trains, and the one that sums gradients.
inline constexpr int kLanes = 2;
int current_lane();
/// `waited_for`: whether anybody waits for this thread now. While nobody does, it leaves the CPU to the others.
void set_lane(int lane, const std::atomic<bool>* waited_for = nullptr);
bool is_waited_for();

}  // namespace ingot
