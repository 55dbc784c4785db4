#pragma once

#include <cstdint>

namespace ingot {

/// How numbers are computed.
enum class Math : uint8_t {
  strict,  // each result by the sum that defines it
  fast,    // convolutions by Winograd's filtering too: fewer multiplications, about twice the rounding error
};

/// What ops compute by outside compiled engines, which have their own (CompileOptions::math); fast unless it is set.
/// For the whole process: set it before work starts.
Math math();
void set_math(Math math);

}  // namespace ingot
