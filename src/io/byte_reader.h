#pragma once

#include <bit>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/check.h"

namespace ingot {

/// Reads numbers and bytes one after another. Throws Error that starts with `what`, if there is one, where they end too
/// early.
class ByteReader {
 public:
  explicit ByteReader(std::span<std::byte> bytes, const std::string& what = "")
      : bytes_(bytes), prefix_(what.empty() ? "" : what + ": ") {}

  size_t at() const { return at_; }
  size_t left() const { return bytes_.size() - at_; }

  std::span<std::byte> take(uint64_t count) {
    CHECK(count <= left(), "{}{} bytes are wanted at byte {}, {} are left: it is truncated", prefix_, count, at_,
          left());
    const auto out = bytes_.subspan(at_, count);
    at_ += count;
    return out;
  }
  std::string_view text(uint64_t count) {
    const auto bytes = take(count);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  /// Little-endian, as this machine.
  template <class T>
  T number() {
    static_assert(std::endian::native == std::endian::little);
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  /// Up to the next newline, which is passed over.
  std::string_view line() {
    const auto* from = reinterpret_cast<const char*>(bytes_.data()) + at_;
    const size_t length = std::string_view(from, left()).find('\n');
    CHECK(length != std::string_view::npos, "{}a line begins at byte {} and does not end: it is truncated", prefix_,
          at_);
    at_ += length + 1;
    return {from, length};
  }

 private:
  std::span<std::byte> bytes_;
  std::string prefix_;
  size_t at_ = 0;
};

/// A name out of a file as a message shows it: printable, and not long.
std::string shown(std::string_view name);

}  // namespace ingot
