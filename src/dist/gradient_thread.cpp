#include "dist/gradient_thread.h"

#include <utility>

#include "base/parallel.h"
#include "dist/lane.h"

namespace ingot {

GradientThread::GradientThread(bool concurrent) {
  if (concurrent) thread_ = std::thread([this] { work(); });
}

GradientThread::~GradientThread() {
  {
    const std::scoped_lock lock(mutex_);
    stop_ = true;
    jobs_.clear();
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void GradientThread::add(std::function<void()> job) {
  {
    const std::scoped_lock lock(mutex_);
    if (!error_) jobs_.push_back(std::move(job));
  }
  changed_.notify_all();
}

void GradientThread::run_one(std::unique_lock<std::mutex>& lock) {
  const auto job = std::move(jobs_.front());
  jobs_.pop_front();
  running_ = true;
  lock.unlock();
  std::exception_ptr error;
  try {
    job();
  } catch (...) {
    error = std::current_exception();
  }
  lock.lock();
  running_ = false;
  if (error) {
    error_ = error;
    jobs_.clear();
  }
  changed_.notify_all();
}

void GradientThread::work() {
  set_lane(1, &waited_for_);
  const SerialScope serial;  // the compute threads have the CPUs
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stop_ || !jobs_.empty(); });
    if (stop_) return;
    run_one(lock);
  }
}

void GradientThread::wait() {
  std::unique_lock lock(mutex_);
  waited_for_ = true;
  if (!thread_.joinable())
    while (!jobs_.empty()) run_one(lock);
  changed_.wait(lock, [&] { return jobs_.empty() && !running_; });
  waited_for_ = false;
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

}  // namespace ingot
