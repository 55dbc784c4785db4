#include "diagnose/html.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdint>

namespace ingot::html {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// The length of the UTF-8 sequence that begins at `at`; 0 where there is none. RFC 3629, section 4.
size_t sequence_length(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0}; };
  const uint8_t first = byte(at), second = byte(at + 1);
  if (first < 0x80) return 1;
  size_t length = 0;
  uint8_t low = 0x80, high = 0xBF;
  if (first >= 0xC2 && first <= 0xDF) length = 2;
  if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  }
  if (length == 0 || second < low || second > high) return 0;
  for (size_t i = 2; i < length; ++i)
    if ((byte(at + i) & 0xC0) != 0x80) return 0;
  return length;
}

std::string_view entity(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    default:
      return {};
  }
}

}  // namespace

std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t length = sequence_length(text, i);
    const auto c = static_cast<uint8_t>(text[i]);
    if (length == 0) out += kReplacement;
    if (length > 1) out += text.substr(i, length);
    if (length == 1) {
      const std::string_view replaced = entity(text[i]);
      const bool control = (c < 0x20 && c != '\t' && c != '\n') || c == 0x7f;
      if (!replaced.empty()) out += replaced;
      if (replaced.empty() && !control) out += text[i];
    }
    i += std::max<size_t>(length, 1);
  }
  return out;
}

std::string png_uri(std::string_view png) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out = "data:image/png;base64,";
  for (size_t i = 0; i < png.size(); i += 3) {
    uint32_t triple = 0;
    for (size_t k = 0; k < 3; ++k) triple = triple << 8 | (i + k < png.size() ? static_cast<uint8_t>(png[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) out += i + k <= png.size() ? kDigits[triple >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::string number(double value) {
  if (!std::isfinite(value)) return fmt::format("{}", value);
  const double size = std::fabs(value);
  if (size != 0 && (size < 1e-4 || size >= 1e7)) return fmt::format("{:.3g}", value);
  if (size >= 1000) return fmt::format("{:.0f}", value);
  return fmt::format("{:.4g}", value);
}

std::string bytes(double count) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  for (; count >= 1024 && unit + 1 < kUnits.size(); ++unit) count /= 1024;
  return count < 10 && unit > 0 ? fmt::format("{:.2f} {}", count, kUnits[unit])
                                : fmt::format("{:.4g} {}", count, kUnits[unit]);
}

}  // namespace ingot::html
