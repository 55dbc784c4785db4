#pragma once

namespace ingot {

/// Threads that ops run on, the caller's own included. Starts as the CPUs that affinity and cgroup quota allow.
int num_threads();

/// Sets the thread count of the process. Throws Error below 1.
void set_num_threads(int threads);

}  // namespace ingot
