#pragma once

#include "ingot/init_cfg.h"
#include "train/config_schema.h"

namespace ingot {

/// A rule of init_cfg: {type: Kaiming, layer: [Conv2d], bias: 0, override: [{name: head}], ...}, where `type` decides
/// which keys there are besides.
template <>
struct ConfigCodec<InitRule> {
  static ConfigSchema schema();
  static InitRule read(const ConfigNode& node);
  static ConfigNode write(const InitRule& rule);
};

}  // namespace ingot
