#include "io/zip_writer.h"

#include <zlib.h>

#include "base/check.h"

namespace ingot {
namespace {

constexpr uint64_t kAlignment = 64, kMost16 = 0xffff, kMost32 = 0xffffffff;
constexpr uint16_t kVersion = 20, kVersion64 = 45;
constexpr uint16_t kFlags = 1 << 3 | 1 << 11;  // sizes follow the bytes; names are UTF-8
constexpr uint32_t kNewYear1980 = 1 << 21 | 1 << 16;
constexpr uint16_t kZip64Extra = 1, kPaddingExtra = 0x4246;  // "FB", as PyTorch has it
constexpr uint64_t kHeaderBytes = 30, kExtraBytes = 4, kZip64Bytes = 16;

template <class... T>
std::string little_endian(T... numbers) {
  std::string out;
  (out.append(reinterpret_cast<const char*>(&numbers), sizeof numbers), ...);
  return out;
}
template <class T>
T narrow(uint64_t number) {
  return static_cast<T>(number);
}
uint32_t or_most(uint64_t number) { return narrow<uint32_t>(std::min(number, kMost32)); }
bool is_wide(uint64_t number) { return number >= kMost32; }

/// The extra field of an entry's header: room for sizes of 8 bytes, then what moves the bytes to their place.
std::string header_extra(uint64_t end_of_name, bool wide) {
  std::string out = wide ? little_endian(kZip64Extra, narrow<uint16_t>(kZip64Bytes), uint64_t{0}, uint64_t{0}) : "";
  const uint64_t at = end_of_name + out.size();
  if (at % kAlignment == 0) return out;
  const uint64_t padding = (kAlignment - (at + kExtraBytes) % kAlignment) % kAlignment;
  return out + little_endian(kPaddingExtra, narrow<uint16_t>(padding)) + std::string(padding, '\0');
}

}  // namespace

void ZipWriter::put(std::string_view bytes) {
  sink_(std::as_bytes(std::span(bytes)));
  at_ += bytes.size();
}

void ZipWriter::add(const std::string& name, uint64_t bytes, const std::function<void(const ByteSink&)>& write) {
  Entry entry{.name = name, .bytes = bytes, .offset = at_};
  const bool wide = is_wide(bytes);
  const std::string extra = header_extra(at_ + kHeaderBytes + name.size(), wide);
  put("PK\x03\x04");
  put(little_endian(wide ? kVersion64 : kVersion, kFlags, uint16_t{0}, kNewYear1980, uint32_t{0}, uint32_t{0},
                    uint32_t{0}, narrow<uint16_t>(name.size()), narrow<uint16_t>(extra.size())));
  put(name + extra);
  [[maybe_unused]] const uint64_t start = at_;
  write([&](std::span<const std::byte> piece) {
    entry.crc = narrow<uint32_t>(crc32_z(entry.crc, reinterpret_cast<const Bytef*>(piece.data()), piece.size()));
    sink_(piece);
    at_ += piece.size();
  });
  ASSERT(at_ - start == bytes);
  put("PK\x07\x08");
  put(little_endian(entry.crc));
  put(wide ? little_endian(bytes, bytes) : little_endian(narrow<uint32_t>(bytes), narrow<uint32_t>(bytes)));
  entries_.push_back(std::move(entry));
}

void ZipWriter::add(const std::string& name, std::string_view content) {
  add(name, content.size(), [&](const ByteSink& sink) { sink(std::as_bytes(std::span(content))); });
}

void ZipWriter::finish() {
  const uint64_t start = at_, count = entries_.size();
  for (const Entry& e : entries_) {
    std::string wide;
    if (is_wide(e.bytes)) wide += little_endian(e.bytes, e.bytes);
    if (is_wide(e.offset)) wide += little_endian(e.offset);
    if (!wide.empty()) wide.insert(0, little_endian(kZip64Extra, narrow<uint16_t>(wide.size())));
    const uint16_t version = wide.empty() ? kVersion : kVersion64;
    put("PK\x01\x02");
    put(little_endian(version, version, kFlags, uint16_t{0}, kNewYear1980, e.crc, or_most(e.bytes), or_most(e.bytes),
                      narrow<uint16_t>(e.name.size()), narrow<uint16_t>(wide.size()), uint16_t{0}, uint16_t{0},
                      uint16_t{0}, uint32_t{0}, or_most(e.offset)));
    put(e.name + wide);
  }
  const uint64_t bytes = at_ - start, end = at_;
  if (is_wide(start) || is_wide(bytes) || count >= kMost16) {
    constexpr uint64_t kFollowing = 44;  // bytes of the record after this number
    put("PK\x06\x06");
    put(little_endian(kFollowing, kVersion64, kVersion64, uint32_t{0}, uint32_t{0}, count, count, bytes, start));
    put("PK\x06\x07");
    put(little_endian(uint32_t{0}, end, uint32_t{1}));
  }
  const auto shown = narrow<uint16_t>(std::min(count, kMost16));
  put("PK\x05\x06");
  put(little_endian(uint16_t{0}, uint16_t{0}, shown, shown, or_most(bytes), or_most(start), uint16_t{0}));
}

}  // namespace ingot
