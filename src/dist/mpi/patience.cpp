#include "dist/mpi/patience.h"

#include <utility>

namespace ingot {

Patience::Patience(std::chrono::duration<double> deadline, std::function<void()> expired)
    : thread_([this, deadline, expired = std::move(expired)] {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, deadline, [&] { return done_; })) expired();
      }) {}

Patience::~Patience() {
  {
    const std::scoped_lock lock(mutex_);
    done_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

}  // namespace ingot
