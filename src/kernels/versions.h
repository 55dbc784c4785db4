#pragma once

#include <string>

namespace ingot::kernels {

/// "2.6.3", of the library that is loaded.
std::string onednn_version();
/// "1.0.3", of the headers that kernels were compiled with.
std::string highway_version();
/// "80a1bc33d2e4f506, oneDNN 2.6.3": a hash of this folder's sources, and the library that is loaded. Where it is
/// another, so may be the time that a kernel takes.
std::string kernels_version();

}  // namespace ingot::kernels
