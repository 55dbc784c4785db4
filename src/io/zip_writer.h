#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace ingot {

/// Writes a zip archive of stored entries whose bytes start at multiples of 64, as PyTorch asks of its own. Streams;
/// equal entries give equal bytes. Zip64 where a size or a place needs it.
class ZipWriter {
 public:
  explicit ZipWriter(ByteSink sink) : sink_(std::move(sink)) {}

  /// `write` is handed a sink for the bytes of the entry, of which there must be `bytes`.
  void add(const std::string& name, uint64_t bytes, const std::function<void(const ByteSink&)>& write);
  void add(const std::string& name, std::string_view content);
  /// The directory. Nothing may be added afterwards.
  void finish();

 private:
  struct Entry {
    std::string name;
    uint32_t crc = 0;
    uint64_t bytes = 0, offset = 0;
  };
  void put(std::string_view bytes);

  ByteSink sink_;
  std::vector<Entry> entries_;
  uint64_t at_ = 0;
};

}  // namespace ingot
