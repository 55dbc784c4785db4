#pragma once

#include <memory>

#include "ingot/communicator.h"

namespace ingot {

/// Makes this the world of the process, or of the thread that is a rank itself.
void set_world(std::shared_ptr<Communicator> communicator);
/// Within it, this thread is a rank of its own, with this world.
class ThreadRank {
 public:
  explicit ThreadRank(std::shared_ptr<Communicator> world);
  ~ThreadRank();
  ThreadRank(const ThreadRank&) = delete;
  ThreadRank& operator=(const ThreadRank&) = delete;

 private:
  struct Table;
  std::unique_ptr<Table> table_;
};
/// All groups, and the world is one rank again.
void forget_groups();

}  // namespace ingot
