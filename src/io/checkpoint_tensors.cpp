#include "base/check.h"
#include "base/file.h"
#include "ingot/io.h"

namespace ingot {
namespace {

constexpr size_t kHeaderStart = 8;  // of a safetensors file, after the header's length

TensorMap model_of(const Safetensors& file) {
  TensorMap out;
  for (const auto& [name, tensor] : file.tensors)
    if (name.starts_with(kModelPrefix)) out.emplace(name.substr(kModelPrefix.size()), tensor);
  return out;
}

TensorMap safetensors_weights(const std::filesystem::path& path) {
  Safetensors file = load_safetensors(path);
  if (!file.metadata.contains(kRunCheckpoint)) return std::move(file.tensors);
  verify_content_hash(file, path);
  return model_of(file);
}

}  // namespace

TensorMap load_checkpoint_tensors(const std::filesystem::path& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  const bool safetensors = bytes.size() > kHeaderStart && bytes[kHeaderStart] == std::byte{'{'};
  CHECK(safetensors, "{}: is not a safetensors file", path.string());
  return safetensors_weights(path);
}

}  // namespace ingot
