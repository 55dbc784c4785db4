#pragma once

#include <string>
#include <vector>

#include "ingot/init_cfg.h"

namespace ingot {

/// One module that one rule sets.
struct InitStep {
  Module* module;
  std::string name;  // from the root
  const Initializer* how;
  double bias;
  std::string rule;  // "Kaiming(a=0, ...), bias=0 by init_cfg[0] of ResNet"
};

struct InitPlan {
  std::vector<InitStep> steps;        // in order
  std::vector<std::string> warnings;  // of what is allowed, but perhaps a mistake
};

/// All that the rules of a module and its descendants do. Throws Error for a rule that does nothing, or cannot be
/// applied where it should be.
InitPlan plan_init(Module& root);

}  // namespace ingot
