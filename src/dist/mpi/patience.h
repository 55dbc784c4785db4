#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace ingot {

/// Calls `expired` where its scope is not left within the deadline: for calls of MPI that wait without one.
class Patience {
 public:
  Patience(std::chrono::duration<double> deadline, std::function<void()> expired);
  ~Patience();
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::thread thread_;
};

}  // namespace ingot
