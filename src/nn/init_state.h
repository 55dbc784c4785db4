#pragma once

#include <map>
#include <string>

#include "ingot/init_cfg.h"

namespace ingot {

/// What a module keeps for init_weights.
struct InitState {
  InitCfg cfg;
  bool ran = false;                                      // init_weights, for this module or one around it
  std::map<std::string, std::string, std::less<>> info;  // by own parameter: what set it

  static InitState& of(Module& module);

  /// Remembers what set each tensor, for all modules.
  static void record(Module& root, const std::map<const TensorImpl*, std::string>& info);
};

}  // namespace ingot
