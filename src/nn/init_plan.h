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

/// All that the rules of a module and its descendants do, in order. Throws Error for a rule that does nothing, or
/// cannot be applied where it should be.
std::vector<InitStep> plan_init(Module& root);

}  // namespace ingot
