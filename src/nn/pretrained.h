#pragma once

#include <set>
#include <string>

#include "ingot/init_cfg.h"

namespace ingot {

/// Loads what fits and logs what does not. Returns the names in the module that were loaded.
std::set<std::string> load_pretrained(Module& module, const PretrainedInit& from);

}  // namespace ingot
