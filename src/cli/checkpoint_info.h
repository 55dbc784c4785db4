#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

namespace ingot::cli {

/// {"file", "metadata", "tensors": [{"name", "dtype", "shape", "min", "max", "mean", "not_finite"}]} of a safetensors
/// file. min, max and mean are of the finite elements, null where there are none. With `verify`, throws Error where
/// the tensors are not those whose hash the file carries.
nlohmann::ordered_json checkpoint_info(const std::filesystem::path& path, bool verify);
std::string checkpoint_text(const nlohmann::ordered_json& info);

}  // namespace ingot::cli
