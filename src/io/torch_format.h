#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ingot {

enum class FileKind : uint8_t { safetensors, zip, legacy, other };

/// What a file of weights is, by its first bytes.
FileKind file_kind(std::span<const std::byte> bytes);

/// The bytes of the pickled magic number that torch.save's older files start with; 0: this is no such file.
size_t legacy_magic_bytes(std::span<const std::byte> bytes);

}  // namespace ingot
