#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "train/config_node.h"
#include "train/config_schema.h"

namespace ingot {

struct ConfigOptions {
  std::vector<std::string> set = {};            // "optimizer.lr=0.1", "scheduler.0.gamma=0.5", in order
  std::optional<Environment> environment = {};  // none: the process's
};

/// Reads a configuration file, its bases first, applies the settings, and checks and completes it by the schema. What
/// comes out, written by to_yaml, reads back to the same.
///   _base_: base.yaml, or a list of them that share no key, at the top of a file: its maps are merged over theirs key
///           by key, anything else replaces what they say. `_delete_: true` in a map drops what the bases say there.
///   a.b.0.c=value: sets one value, typed by the schema: a text as it stands, anything else as YAML.
/// Throws Error with the place of every mistake.
ConfigNode load_config(const std::filesystem::path& path, const ConfigSchema& schema,
                       const ConfigOptions& options = {});

}  // namespace ingot
