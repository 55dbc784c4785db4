#pragma once

#include <memory>

#include "ingot/communicator.h"

namespace ingot {

/// Makes this the world of the process, or of the thread that is a rank itself.
void set_world(std::shared_ptr<Communicator> communicator);
/// All groups, and the world is one rank again.
void forget_groups();

}  // namespace ingot
