#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "ingot/tensor.h"

namespace ingot {

/// Tensors by name, in the order of their names.
using TensorMap = std::map<std::string, Tensor, std::less<>>;

/// What a safetensors file holds. `metadata` is the file's "__metadata__".
struct Safetensors {
  TensorMap tensors;
  std::map<std::string, std::string> metadata;
};

/// Reads a safetensors file (https://github.com/huggingface/safetensors, format section of its README).
/// Tensors are row-major and lie in the mapped file, copy-on-write: loading costs no reading, writing to a tensor never
/// changes the file. Only those that start at an address unfit for their dtype are copied. The file must not be
/// shortened while they live; replacing it, as save_safetensors does, is harmless.
/// dtypes F32 F64 BF16 F16 I64 I32 U8 I8 BOOL; f16 stays f16.
/// Throws Error with the path where the file is truncated or has bytes too many, the header is above 100 MB, is not
/// JSON or names a key twice, an entry is malformed, or the tensors' offsets do not tile the data exactly.
Safetensors load_safetensors(const std::filesystem::path& path);

/// Writes tensors of any layout in row-major order, those of wide dtypes first so that all are aligned for reading.
/// Streams: needs no second copy in memory. A reader sees the old file or the new one, never a part. Equal arguments
/// give equal bytes.
void save_safetensors(const std::filesystem::path& path, const TensorMap& tensors,
                      const std::map<std::string, std::string>& metadata = {});

/// 16 hexadecimal digits: XXH3 over names, dtypes, shapes and row-major bytes in the order of the names. The same for
/// every layout.
std::string hash_tensors(const TensorMap& tensors);

/// The metadata key under which checkpoints keep hash_tensors() of their tensors.
inline constexpr const char* kContentHash = "content_hash";

/// Throws Error naming `path` when the file's content_hash is missing or is not that of its tensors.
void verify_content_hash(const Safetensors& file, const std::filesystem::path& path);

/// The metadata key that marks a checkpoint of a training run, whose weights are the tensors under kModelPrefix.
inline constexpr const char* kRunCheckpoint = "ingot_checkpoint";
inline constexpr std::string_view kModelPrefix = "model.";

/// The weights that a file holds, by the names of the network's state_dict, whatever wrote it: its content decides,
/// not its name. All tensors of a safetensors file; of a checkpoint of a training run, which is verified, those of the
/// model without their prefix.
/// Throws Error with the path where the file is of no such kind, or is not sound.
TensorMap load_checkpoint_tensors(const std::filesystem::path& path);

}  // namespace ingot
