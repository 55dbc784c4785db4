#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "ingot/io.h"

namespace ingot::cli {

/// All that a file of weights holds, by names: a safetensors file or what torch.save wrote.
struct CheckpointContent {
  std::string format;  // "safetensors", "torch"
  TensorMap tensors;
  std::map<std::string, std::string> metadata;  // of a torch file, its numbers and texts by dotted paths
};

/// Whether a name of the command line stands for such a file, by its ending or its content.
bool is_checkpoint(const std::filesystem::path& path);
/// With `verify`, throws Error where a safetensors file's tensors are not those whose hash it carries, or a torch
/// file's checksums are wrong.
CheckpointContent read_checkpoint(const std::filesystem::path& path, bool verify);

/// {"file", "format", "metadata", "tensors": [{"name", "dtype", "shape", "min", "max", "mean", "not_finite"}]}. min,
/// max and mean are of the finite elements, null where there are none.
nlohmann::ordered_json checkpoint_info(const std::filesystem::path& path, bool verify);
std::string checkpoint_text(const nlohmann::ordered_json& info);

}  // namespace ingot::cli
