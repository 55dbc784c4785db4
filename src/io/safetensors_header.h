#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ingot/dtype.h"
#include "ingot/shape.h"

namespace ingot {

/// One tensor's entry of a safetensors header: its bytes are [begin, end) of the data.
struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  uint64_t begin = 0, end = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // by begin
  std::map<std::string, std::string> metadata;
};

/// Longest header that the reference reader accepts.
inline constexpr uint64_t kMaxHeaderBytes = 100'000'000;

/// Parses the JSON header and checks that its entries tile `data_bytes` exactly. `path` is for errors.
SafetensorsHeader parse_safetensors_header(std::string_view json, uint64_t data_bytes, const std::string& path);

std::string_view safetensors_name(DType dtype);  // "F32"

}  // namespace ingot
