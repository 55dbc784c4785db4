#pragma once

#include "ingot/nn/visual_attention.h"
#include "train/config_schema.h"

namespace ingot {

/// {type: SE, reduction: 16, position: inner, stages: [3, 4]}, where `type` decides which keys there are besides
/// position and stages.
template <>
struct ConfigCodec<AttentionOptions> {
  static ConfigSchema schema();
  static AttentionOptions read(const ConfigNode& node);
  static ConfigNode write(const AttentionOptions& value);
};

}  // namespace ingot
