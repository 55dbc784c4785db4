#include "kernels/versions.h"

#include <fmt/format.h>
#include <hwy/highway.h>

#include <dnnl.h>

namespace ingot::kernels {

std::string onednn_version() {
  const dnnl_version_t* v = dnnl_version();
  return fmt::format("{}.{}.{}", v->major, v->minor, v->patch);
}

std::string highway_version() { return fmt::format("{}.{}.{}", HWY_MAJOR, HWY_MINOR, HWY_PATCH); }

std::string kernels_version() { return fmt::format("{}, oneDNN {}", INGOT_KERNELS_HASH, onednn_version()); }

}  // namespace ingot::kernels
