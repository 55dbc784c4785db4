#include "nn/text.h"

#include <fmt/format.h>

namespace ingot {

// fmt's shortest form is Python's, but for the ".0" of whole numbers, which fmt leaves out.
std::string python_text(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}
std::string python_text(bool value) { return value ? "True" : "False"; }
std::string python_tuple(Pair pair) { return fmt::format("({}, {})", pair.h, pair.w); }
std::string python_text(Pair pair) { return pair.h == pair.w ? fmt::format("{}", pair.h) : python_tuple(pair); }
std::string python_tuple(const Pads& p) {
  if (p.top == p.bottom && p.left == p.right) return python_tuple(Pair(p.top, p.left));
  return fmt::format("({}, {}, {}, {})", p.top, p.left, p.bottom, p.right);
}
std::string python_text(const Pads& p) { return p == Pads(p.top) ? fmt::format("{}", p.top) : python_tuple(p); }

std::string python_tuple(Triple t) { return fmt::format("({}, {}, {})", t.d, t.h, t.w); }
std::string python_text(Triple t) { return t == Triple(t.d) ? fmt::format("{}", t.d) : python_tuple(t); }

std::string_view name_of(PadMode mode) {
  constexpr std::string_view kNames[] = {"zeros", "reflect", "replicate", "circular"};
  return kNames[static_cast<size_t>(mode)];
}

std::string indented(std::string text) {
  for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 3) text.insert(at + 1, "  ");
  return text;
}

std::string dotted(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "." + name;
}

}  // namespace ingot
