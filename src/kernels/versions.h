#pragma once

#include <string>

namespace ingot::kernels {

/// "2.6.3", of the library that is loaded.
std::string onednn_version();
/// "1.0.3", of the headers that kernels were compiled with.
std::string highway_version();

}  // namespace ingot::kernels
