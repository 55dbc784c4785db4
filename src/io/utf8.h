#pragma once

#include <string>
#include <string_view>

namespace ingot {

bool is_utf8(std::string_view text);
/// Bytes as text: as they are where they are UTF-8, else each as the character of its number (Latin-1).
std::string utf8_of_bytes(std::string_view bytes);

}  // namespace ingot
