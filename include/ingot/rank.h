#pragma once

namespace ingot {

/// Most dimensions that a tensor can have.
inline constexpr int kMaxRank = 8;

}  // namespace ingot
