#pragma once

#include <utility>
#include <vector>

#include "ingot/module.h"

namespace ingot {

/// Training or eval mode for a module and its descendants; at the end each has the mode that it had.
class ModeScope {
 public:
  ModeScope(Module& module, bool training) {
    for (Module* m : module.modules()) before_.emplace_back(m, m->is_training());
    module.train(training);
  }
  // train() reaches the descendants too, whose own turn comes later.
  ~ModeScope() {
    for (const auto& [m, training] : before_) m->train(training);
  }
  ModeScope(const ModeScope&) = delete;
  ModeScope& operator=(const ModeScope&) = delete;

 private:
  std::vector<std::pair<Module*, bool>> before_;
};

}  // namespace ingot
