#include "base/check.h"
#include "base/file.h"
#include "ingot/io.h"
#include "io/torch_format.h"

namespace ingot {
namespace {

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
  const FileKind kind = file_kind(MappedFile(path).bytes());
  if (kind == FileKind::safetensors) return safetensors_weights(path);
  CHECK(kind != FileKind::other, "{}: is neither a safetensors file nor what torch.save wrote", path.string());
  const TorchValue value = load_torch(path);
  try {
    return state_dict_of(value);
  } catch (const Error& error) {
    fail("{}: {}", path.string(), error.what());
  }
}

}  // namespace ingot
