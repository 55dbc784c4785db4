#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace ingot {

/// Runs jobs one after another on a thread of its own, or, where a rank must not communicate from two threads, when
/// they are waited for. After an error it drops the jobs that follow.
class GradientThread {
 public:
  explicit GradientThread(bool concurrent);
  ~GradientThread();
  GradientThread(const GradientThread&) = delete;
  GradientThread& operator=(const GradientThread&) = delete;

  void add(std::function<void()> job);
  /// Until all are done. Throws what the first failed one threw.
  void wait();

 private:
  void work();
  void run_one(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  bool running_ = false, stop_ = false;
  std::atomic<bool> waited_for_{false};
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace ingot
